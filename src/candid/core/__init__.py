"""What every room uses: progress, text, safe JSON, atomic and temporary folders."""
