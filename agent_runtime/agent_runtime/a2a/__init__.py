"""The A2A protocol: other agents find this one by its card and give it tasks over JSON-RPC.

Written out here instead of taken from a2a-sdk: its server half costs 1.7 s of start-up and 23 MiB, brings a second web
framework and protobuf, and what an agent needs of the protocol is a few JSON objects. The SDK's client is what the
tests hold this against, in both versions of the protocol that it speaks: 1.0 and 0.3.
"""
