"""A node that runs the containers of its pods as local processes.

The caller maps image names to local commands. Mount paths are rewritten to the pod's directory, and each pod has an IP
address. There is no isolation, no cluster DNS, no resource limit and no security context.
"""
