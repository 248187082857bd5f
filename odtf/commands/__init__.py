"""Command lines, one a file: flags, and one call of a public function of the same meaning."""
