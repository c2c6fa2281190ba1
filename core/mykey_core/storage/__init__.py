"""The database: engine, tables, migrations. Rules about the data live elsewhere."""
