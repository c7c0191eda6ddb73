-- Run once by the PostgreSQL image, before it accepts connections. The service's role is not a superuser: an SQL
-- injection could not run programs.
\set password `cat /run/secrets/database_password`
CREATE ROLE chatkeep LOGIN PASSWORD :'password';
CREATE DATABASE chatkeep OWNER chatkeep;
