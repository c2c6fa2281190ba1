"""What every page looks like and speaks: wording, dates and charts. Style sheets are in `static/design`."""
