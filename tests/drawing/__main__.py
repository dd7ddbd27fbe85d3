"""Writes the picture and the tables of docs/architecture.md anew."""

from __future__ import annotations

from tests.drawing.document import DOCUMENT, PICTURE, document, drawn

if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"Wrote {PICTURE.name} and the tables of {DOCUMENT.name}")
