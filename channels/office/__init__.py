"""Office documents as text: Word, PowerPoint, Excel, LibreOffice, PDF. Each reader is bounded, so
that a hostile file costs no more than a long one."""
