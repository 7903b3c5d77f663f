import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ProcessLock } from '../../infra/sqlite/index.js';

export const SEGMENT_NAME = /^\d{12}\.jsonl$/;

/** Where the spools of a data folder are, one for each process name. */
export const spoolsFolder = (dataDir: string): string => join(dataDir, 'spool');

/** The folder of one process name: two brains on one disk must not send, and remove, each other's entries. */
export function spoolFolder(dataDir: string, consumer: string): string {
  // A name with a leading dot could be `..`.
  return join(spoolsFolder(dataDir), encodeURIComponent(consumer).replace(/^\./, '%2E'));
}

/** Whoever has it locked may send, write and remove what is in `folder`. */
export const spoolLockPath = (folder: string): string => join(folder, 'lock');

/** The process names whose messages wait below `parent`, and of which no process runs. */
export async function abandonedNames(parent: string): Promise<string[]> {
  const paths = await readdir(parent, { recursive: true });
  const folders = new Set(paths.filter((path) => SEGMENT_NAME.test(basename(path))).map(dirname));
  return [...folders].filter((name) => ProcessLock.isFree(spoolLockPath(join(parent, name)))).map(decodeURIComponent);
}
