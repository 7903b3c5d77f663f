// Brings a fresh clone to a state in which `npm start` and `npm test` can run, and does nothing where nothing changed.
// Runs on any Node >= 18 with built-ins only, since it runs before the project's own Node is installed.
// Usage: node scripts/ensure.mjs [install] [build]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(resolve(dirname(fileURLToPath(import.meta.url)), '..'));
const steps = new Set(process.argv.length > 2 ? process.argv.slice(2) : ['install', 'build']);
const INSTALL_STAMP = 'node_modules/.ensure-install';
const BUILD_STAMP = 'dist/.ensure-build';
const LOCK_FILE = '.ensure.lock';
const LOCK_POLL_MS = 200;

/** Contents of a file, or '' where there is none. */
const readOrEmpty = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

function listFiles(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((entry) => listFiles(join(path, entry)));
}

// Contents, not modification times: a fresh checkout or a branch switch touches every file and changes none.
function digest(paths, salt = '') {
  const hash = createHash('sha256').update(salt);
  for (const file of paths.flatMap(listFiles)) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function npm(...args) {
  const cli = process.env.npm_execpath;
  const [command, argv] = cli?.endsWith('.js') ? [process.execPath, [cli, ...args]] : ['npm', args];
  const { status } = spawnSync(command, argv, { stdio: 'inherit' });
  if (status !== 0) {
    console.error(`[ensure] "npm ${args.join(' ')}" failed; its own message is above.`);
    process.exit(status ?? 1);
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// One bootstrap at a time: a second `npm start` or `npm test` waits. A lock whose owner died is taken over.
function acquireLock() {
  for (;;) {
    try {
      writeFileSync(LOCK_FILE, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(readOrEmpty(LOCK_FILE));
      if (owner && !isAlive(owner)) rmSync(LOCK_FILE, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    }
  }
  process.on('exit', () => rmSync(LOCK_FILE, { force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
}

acquireLock();

/** The folders of the npm workspaces. */
const packages = readdirSync('packages')
  .sort()
  .map((name) => join('packages', name))
  .filter((folder) => existsSync(join(folder, 'package.json')));

if (steps.has('install')) {
  const relevant = ['.', ...packages].map((folder) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides', 'allowScripts'].map((key) =>
      Object.entries(manifest[key] ?? {}).sort(),
    );
  });
  const wanted = digest(['package-lock.json', '.npmrc'], JSON.stringify([process.platform, process.arch, relevant]));
  if (readOrEmpty(INSTALL_STAMP) !== wanted) {
    console.error('[ensure] installing dependencies (npm ci, about a minute)');
    rmSync(INSTALL_STAMP, { force: true });
    npm('ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error');
    writeFileSync(INSTALL_STAMP, wanted);
  }
}

if (steps.has('build')) {
  const wanted = digest([
    ...packages.flatMap((folder) => ['src', 'package.json', 'tsconfig.build.json'].map((name) => join(folder, name))),
    ...['src', 'packages/tsconfig.build.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'],
    'package-lock.json',
  ]);
  if (readOrEmpty(BUILD_STAMP) !== wanted) {
    console.error('[ensure] building');
    npm('run', '--silent', 'build');
    mkdirSync('dist', { recursive: true });
    writeFileSync(BUILD_STAMP, wanted);
  }
}
