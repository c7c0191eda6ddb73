"""ChatStream's endpoints over this service's conversations, and the request handler for a real ChatStream server.

Written from the outside: what ChatStream 0.3.0 sends and answers. None of its code is here, and only
`chatkeep.chatstream.handler` imports it.
"""
