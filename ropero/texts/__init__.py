"""What a user reads, in English, Spanish and Chinese. Knows nothing of the rest of ropero."""

from ropero.texts.catalogue import LANGUAGES as LANGUAGES
from ropero.texts.catalogue import current as current
from ropero.texts.catalogue import detect as detect
from ropero.texts.catalogue import joined as joined
from ropero.texts.catalogue import language as language
from ropero.texts.catalogue import mark as mark
from ropero.texts.catalogue import t as t
from ropero.texts.catalogue import tn as tn
from ropero.texts.catalogue import use as use
