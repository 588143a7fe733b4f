UPDATE model_versions
SET source = :new || substr(source, length(:old) + 1),
    storage_location = :new || substr(storage_location, length(:old) + 1)
WHERE substr(source, 1, length(:old)) = :old
