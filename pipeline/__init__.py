"""Turn scraped news articles into a clean, validated, reversible Parquet corpus."""
