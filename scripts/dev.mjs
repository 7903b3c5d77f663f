// `npm run dev`: runs the brain from src/ and packages/ and starts it again after each change. src/ is compiled by swc,
// which checks no types (the editor and `npm run typecheck` do) and takes a second; the packages, which have no
// decorators, run as they are. What `npm start` and the tests run is not touched.
import { transformFile } from '@swc/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const SOURCE = 'src';
const TARGET = '.dev';
const PACKAGES = readdirSync('packages')
  .map((name) => join('packages', name, 'src'))
  .filter((folder) => existsSync(folder));
// Editors write a file in several steps.
const SETTLE_MS = 100;
const BRAIN = ['--enable-source-maps', join(TARGET, 'main.js')];
// In the environment, so that the local Vorpal, the brain's child, runs from its sources, too.
const FROM_SOURCE = [
  '--experimental-transform-types',
  '--disable-warning=ExperimentalWarning',
  `--import=${resolve('test/support/typescript-source.mjs')}`,
].join(' ');

const isSource = (file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.endsWith('.d.ts');
const say = (text) => console.error(`[dev] ${text}`);

async function compile(file) {
  const target = join(TARGET, relative(SOURCE, file).replace(/\.ts$/, '.js'));
  const { code } = await transformFile(file, { sourceMaps: 'inline' });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

// Compiled again with the next change, whichever file that is in.
let broken = [];

/** Says what is wrong instead of ending: the next change may mend it. */
async function compileAll(files) {
  broken = [];
  for (const file of new Set(files)) {
    if (!file.startsWith(join(SOURCE, '/'))) continue;
    try {
      await compile(file);
    } catch (error) {
      broken.push(file);
      say(error.message.split('\n\n\n')[0]);
    }
  }
  return broken.length === 0;
}

const changed = new Set();
let wake = () => undefined;

// Folder by folder: a recursive watch follows files, and loses one that an editor replaces by another of its name.
function watchFolder(folder) {
  watch(folder, (_, name) => {
    const file = join(folder, name ?? '');
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory() && !watched.has(file)) addFolder(file);
    if (!found?.isFile() || !isSource(file)) return;
    changed.add(file);
    wake();
  });
}

const watched = new Set();

function addFolder(folder) {
  watched.add(folder);
  watchFolder(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) addFolder(join(folder, entry.name));
  }
}

async function nextChanges() {
  if (changed.size === 0) await new Promise((resolve) => (wake = resolve));
  await delay(SETTLE_MS);
  const files = [...broken, ...changed];
  changed.clear();
  return files;
}

let brain;
let isStopping = false;
let isLeaving = false;

const isRunning = () => brain !== undefined && brain.exitCode === null && brain.signalCode === null;

function start() {
  isStopping = false;
  brain = spawn(process.execPath, BRAIN, {
    stdio: 'inherit',
    env: { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${FROM_SOURCE}` },
  });
  brain.once('exit', (code, signal) => {
    if (isLeaving) process.exit(code ?? 1);
    if (!isStopping) say(`the brain ended (${signal ?? code}); it starts again after the next change`);
  });
}

async function stop() {
  if (!isRunning()) return;
  isStopping = true;
  const exited = once(brain, 'exit');
  brain.kill('SIGTERM');
  await exited;
}

// The brain ends as it does under `npm start`, and this with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    isLeaving = true;
    if (!isRunning()) process.exit(0);
    brain.kill(signal);
  });
}

rmSync(TARGET, { recursive: true, force: true });
for (const folder of [SOURCE, ...PACKAGES]) addFolder(folder);
const sources = readdirSync(SOURCE, { recursive: true }).filter(isSource);
if (await compileAll(sources.map((file) => join(SOURCE, file)))) start();
for (;;) {
  const files = await nextChanges();
  const startedAt = performance.now();
  if (!(await compileAll(files.filter((file) => existsSync(file))))) continue;
  await stop();
  say(`${files.join(', ')} compiled in ${Math.round(performance.now() - startedAt)} ms`);
  start();
}
