// `npm run dev`: runs the brain from src/ and starts it again after each change. It is compiled by swc, which checks no
// types (the editor and `npm run typecheck` do) and takes a second; what `npm start` and the tests run is not touched.
import { transformFile } from '@swc/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const SOURCE = 'src';
// Beside dist/, since the programs look for package.json one folder above their own.
const TARGET = '.dev';
// Editors write a file in several steps.
const SETTLE_MS = 100;
const BRAIN = ['--enable-source-maps', join(TARGET, 'main.js')];

const isSource = (file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.endsWith('.d.ts');
const say = (text) => console.error(`[dev] ${text}`);

async function compile(file) {
  const target = join(TARGET, file.replace(/\.ts$/, '.js'));
  const { code } = await transformFile(join(SOURCE, file), { sourceMaps: 'inline' });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

// Compiled again with the next change, whichever file that is in.
let broken = [];

/** Says what is wrong instead of ending: the next change may mend it. */
async function compileAll(files) {
  broken = [];
  for (const file of new Set(files)) {
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
  watch(join(SOURCE, folder), (_, name) => {
    const file = join(folder, name ?? '');
    const found = statSync(join(SOURCE, file), { throwIfNoEntry: false });
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
  for (const entry of readdirSync(join(SOURCE, folder), { withFileTypes: true })) {
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
  brain = spawn(process.execPath, BRAIN, { stdio: 'inherit' });
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
addFolder('');
if (await compileAll(readdirSync(SOURCE, { recursive: true }).filter(isSource))) start();
for (;;) {
  const files = await nextChanges();
  const startedAt = performance.now();
  if (!(await compileAll(files.filter((file) => existsSync(join(SOURCE, file)))))) continue;
  await stop();
  say(`${files.join(', ')} compiled in ${Math.round(performance.now() - startedAt)} ms`);
  start();
}
