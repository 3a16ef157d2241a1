"""The A2A protocol: other agents read the agent card, and give the agent tasks over JSON-RPC.

The runtime does not use the server part of a2a-sdk, which costs 1.7 s at the start and 23 MiB, and brings a second web
framework and protobuf for a few JSON objects. The tests use the client of the SDK, with both protocol versions that it
speaks: 1.0 and 0.3.
"""
