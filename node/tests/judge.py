"""Judges every dataset in a folder with microdata-tools: prints {name: [error, ...]} as JSON."""

import json
import logging
import pathlib
import sys
import tempfile

from microdata_tools import validate_dataset

logging.disable(logging.CRITICAL)
folder = pathlib.Path(sys.argv[1])
judged = {}
for dataset in sorted(path for path in folder.iterdir() if path.is_dir()):
    with tempfile.TemporaryDirectory() as working:
        try:
            errors = validate_dataset(
                dataset.name, working_directory=working, input_directory=str(folder), keep_temporary_files=True
            )
        except Exception as error:  # The tool raises on some wrong datasets instead of judging them.
            errors = [f"raised {type(error).__name__}"]
    judged[dataset.name] = [str(error) for error in errors]
print(json.dumps(judged))
