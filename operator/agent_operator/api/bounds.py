"""Maxima of what users write, named by their meaning. Lengths are in characters.

Every string, list and map in the schemas of the CRDs has one, so that the API server bounds an object before anybody
reads it. They also limit the estimated cost of the CEL rules, which the API server computes from them.
"""

DNS_LABEL = 63
DNS_SUBDOMAIN = 253
# A DNS subdomain, a slash and a name of 63 characters: the key of a label, an annotation or a resource.
QUALIFIED_NAME = 317
LABEL_VALUE = 63
# Kubernetes limits all annotations of an object together to 256 KiB.
ANNOTATION_VALUE = 262_144
ENV_NAME = 253
# Linux limits one argument and one environment variable of a program to 128 KiB.
ARGUMENT = 131_072
# PATH_MAX of Linux.
PATH = 4_096
URL = 2_048
IMAGE = 512
QUANTITY = 64
PERCENT = 8
DURATION = 32
# A word from a fixed list, such as Always. Kubernetes extends the lists, so only their length is limited.
WORD = 63
# An identifier that only another system knows, such as the ID of a disk.
IDENTIFIER = 1_024
# An option of the driver of a volume.
OPTION = 32_768
IP_OR_CIDR = 63
HEADER_VALUE = 8_192
# A secret that users put into the object for evaluation.
SECRET_VALUE = 131_072
# The name of a secret in a store.
SECRET_NAME = 1_024

LABELS = 64
ANNOTATIONS = 64

# Only for the status. The operator's own values are far below.
HASH = 64
TIME = 64
COUNT_OF = 64
COMMAND = 1_024
MESSAGE = 32_768
CONDITIONS = 32
WARNINGS = 32
FIELD_PATH = 1_024
WAVES = 64
CHILDREN = 256
SECRETS = 256
BUDGETS = 4
