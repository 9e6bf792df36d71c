// Records in a file, which is written after every change.

import { existsSync, readFileSync, writeFileSync } from "node:fs";

export function fileStorage(path) {
  const records = new Map(existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : []);
  const save = () => writeFileSync(path, JSON.stringify([...records]));
  return {
    get: (key) => records.get(key),
    find: (matches) => [...records].find(matches)?.[1],
    set: (key, value) => save(records.set(key, value)),
    delete: (key) => save(records.delete(key)),
    deleteAll: (matches) => {
      for (const [key] of [...records].filter(matches)) records.delete(key);
      save();
    },
  };
}
