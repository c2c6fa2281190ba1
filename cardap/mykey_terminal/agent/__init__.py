"""The loopback agent: lets the page of a service point, in a browser on this computer, use the card reader.

It answers on 127.0.0.1 and ::1 only, to paired pages of allowed origins only. Its API is described in
`docs/reference/loopback-agent.md`.
"""
