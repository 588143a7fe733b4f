-- MLflow and Dagster both name a table alembic_version: each gets a database of its own.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;

-- The endpoint reaches the events alone. They belong to a role that both the endpoint and the pipeline take on,
-- so it does not matter who made a table.
\getenv password ENDPOINT_POSTGRES_PASSWORD
CREATE ROLE endpoint LOGIN PASSWORD :'password';
CREATE ROLE events;
GRANT events TO endpoint, nextplay;
REVOKE CONNECT ON DATABASE dagster, mlflow, postgres FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO events;
ALTER ROLE endpoint IN DATABASE nextplay SET role = 'events';
ALTER ROLE nextplay IN DATABASE nextplay SET role = 'events';
