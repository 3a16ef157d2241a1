"""A node whose pods are processes of this machine.

What a container image would hold is found by the image's name in a map that the caller gives. Mount paths are rewritten
to the pod's own directory, and every pod has an address of its own. There is no isolation, no DNS name of a Service, no
resource limit, no security context: a development aid.
"""
