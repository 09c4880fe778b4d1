"""The documentation site; `nox -s docs` builds it into build/docs."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "llama-agents-client"
release = version = version_of("llama-agents-client")
root_doc = "index"
exclude_patterns = ["_*"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "inventories",
    "pages",
    "api",
    "llms",
]

# A link that leads nowhere is a warning, and warnings are errors.
nitpicky = True
nitpick_ignore = [
    # The documentation of workflows does not describe it.
    ("py:class", "workflows.representation.types.WorkflowGraph"),
    ("py:class", "WorkflowGraph"),
]
nitpick_ignore_regex = [
    ("py:class", r".*\.(AnswerKeyT|StopT)"),  # type variables
    ("py:class", r".*\.Httpx2(Async)?Client"),  # what a client of httpx2 has, for type checkers
]
default_role = "py:obj"  # of single backticks in docstrings

myst_heading_anchors = 4

autodoc_default_options = {"exclude-members": "model_config"}  # of pydantic
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
add_module_names = False
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

highlight_language = "none"

html_theme = "furo"
html_title = f"{project} {version}"
html_domain_indices = False
html_use_index = False
html_show_copyright = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
