"""What is measured. A workload is a module with NAME, TITLE, RATIO (the value its chart shows), and run(bench: record.Bench)."""
