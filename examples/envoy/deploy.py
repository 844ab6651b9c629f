#!/usr/bin/env python3
"""Puts a compiled configuration into generated/filter.json, which a running Envoy watches.

    ./deploy.py generated/countersign.json
"""

import json
import os
import sys
from pathlib import Path

here = Path(__file__).parent
if len(sys.argv) != 2:
    sys.exit(__doc__)
filter = json.loads((here / "filter.json").read_text())
configuration = filter["resources"][0]["typed_config"]["config"]["configuration"]
configuration["value"] = json.dumps(json.loads(Path(sys.argv[1]).read_text()), separators=(",", ":"))
# Written beside and moved into place: Envoy sees the whole file or none of it.
new = here / "generated" / "filter.json.new"
new.write_text(json.dumps(filter))
os.replace(new, here / "generated" / "filter.json")
