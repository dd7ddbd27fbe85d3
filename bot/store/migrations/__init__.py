"""The history of the schema. Each step only adds."""
