UPDATE runs
SET artifact_uri = :new || substr(artifact_uri, length(:old) + 1)
WHERE substr(artifact_uri, 1, length(:old)) = :old
