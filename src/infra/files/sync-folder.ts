import { open } from 'node:fs/promises';

/** Makes the names of new files last: syncing a file does not sync the folder it is listed in. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and needs no such thing.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
