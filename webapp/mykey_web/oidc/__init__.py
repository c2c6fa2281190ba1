"""The OpenID provider for plugins that run outside the hub: code flow with PKCE, pairwise subjects, consent.

On Authlib; what a bare Authlib provider lets through is refused here (authentication-hub §8.2). What is stored is in
`mykey_core.remote`.
"""
