-- MLflow's experiments keep the address of their artifacts: after the home has moved, the new one.
UPDATE experiments
SET artifact_location = :new || substr(artifact_location, length(:old) + 1)
WHERE substr(artifact_location, 1, length(:old)) = :old
