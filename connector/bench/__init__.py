"""The benchmarks that the figures in docs/performance.md come from; `connector bench` runs them."""
