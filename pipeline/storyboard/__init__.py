"""What a person writes: the schema, loading, prompt templates, interchange."""
