"""The report as HTML, Markdown, text for a terminal, and files in a folder."""
