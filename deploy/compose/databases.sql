-- MLflow and Dagster both name a table alembic_version: each gets a database of its own.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
