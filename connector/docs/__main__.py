"""`python -m connector.docs [FOLDER]`: write the pages."""

import sys
from pathlib import Path

from connector.docs import write

write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
