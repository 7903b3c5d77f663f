import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { resolveCompose } from './compose-file.js';
import { imageConfig, parseStages, stageNamed } from './dockerfile.js';

export const root = resolve(import.meta.dirname, '../..');
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

export const composeText = read('docker-compose.yml');
export const compose = resolveCompose(composeText);
export const stages = parseStages(read('Dockerfile'));
/** Where people are told how to run it. */
export const guides = ['README.md', 'docs/operations.md'].filter((path) => existsSync(join(root, path)));

/** Every health path that the deployment files and the guides ask a service for. */
export function healthPathsOf(name: string): string[] {
  const { healthcheck = { test: [] }, build } = compose.services[name]!;
  const asked = [...healthcheck.test, ...imageConfig(stages, stageNamed(stages, build?.target ?? '').name).healthcheck];
  const probed = name === 'brain' ? guides.flatMap((path) => read(path).match(/path: \/health[/a-z]*/g) ?? []) : [];
  return [...new Set([...asked, ...probed].flatMap((text) => text.match(/\/health[/a-z]*/g) ?? []))];
}
