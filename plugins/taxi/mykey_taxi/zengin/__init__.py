"""The Zengin 総合振込 transfer file: text, layout, building, parsing, banks and business days. Nothing of taxis."""
