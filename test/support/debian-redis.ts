import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
// Two test files may start at once, and two checkouts share the cache.
import { withFileLock } from '../../packages/local-vorpal/src/models/files/file-lock.js';

const execute = promisify(execFile);

// Debian 13, the first with Redis 8. Its server needs its own C library, so that comes along.
const SUITE = 'trixie';
const PACKAGES = [
  'redis-server',
  'redis-tools',
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libssl3t64',
  'libjemalloc2',
  'liblzf1',
  'libsystemd0',
  'libatomic1',
  'libcap2',
  'libzstd1',
  'libhiredis1.1.0',
];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
// A mirror that accepts the connection and then says nothing would hold the tests for ever.
const COMMAND_TIMEOUT_MS = 150_000;

const LOADERS: Readonly<Record<string, { readonly libraries: string; readonly loader: string }>> = {
  amd64: { libraries: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { libraries: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/**
 * A Redis 8 for Debian and without root: the packages of Debian 13, from the archive that this machine's apt already
 * uses, unpacked into `cacheDir` and run with their own loader. Nothing of the machine changes.
 * @returns the command that starts the server
 */
export async function debianRedis(cacheDir: string): Promise<readonly [string, ...string[]]> {
  const { stdout } = await execute('dpkg', ['--print-architecture']);
  const architecture = stdout.trim();
  const place = LOADERS[architecture];
  if (place === undefined) throw new Error(`there is no recipe for ${architecture}`);
  const root = join(cacheDir, `redis-${SUITE}-${architecture}`);
  if (!existsSync(root)) await install(root);
  const libraries = join(root, 'usr/lib', place.libraries);
  return [join(libraries, place.loader), '--library-path', libraries, join(root, 'usr/bin/redis-server')];
}

async function install(root: string): Promise<void> {
  await withFileLock(`${root}.lock`, { signal: AbortSignal.timeout(COMMAND_TIMEOUT_MS) }, async () => {
    if (existsSync(root)) return;
    const work = `${root}.new`;
    await rm(work, { recursive: true, force: true });
    try {
      await rename(await unpackPackages(work), root);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

async function unpackPackages(work: string): Promise<string> {
  const [lists, archives, downloads, unpacked] = ['lists', 'cache', 'downloads', 'root'].map((name) =>
    join(work, name),
  );
  await Promise.all([
    mkdir(join(lists!, 'partial'), { recursive: true }),
    mkdir(join(archives!, 'archives/partial'), { recursive: true }),
    mkdir(downloads!, { recursive: true }),
    mkdir(unpacked!, { recursive: true }),
  ]);
  const sourceList = join(work, 'sources.list');
  const signedBy = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  await writeFile(sourceList, `deb ${signedBy}${await debianArchive()} ${SUITE} main\n`);
  const options = [
    `Dir::Etc::SourceList=${sourceList}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${lists}`,
    `Dir::Cache=${archives}`,
    // What is installed here does not matter, and the lists and downloads belong to whoever runs the tests.
    'Dir::State::Status=/dev/null',
    'APT::Sandbox::User=',
    'Debug::NoLocking=true',
    // Otherwise apt only warns about an archive that it cannot reach, and fails later for another reason.
    'APT::Update::Error-Mode=any',
    'Acquire::Languages=none',
    'Acquire::http::Timeout=20',
    'Acquire::Retries=2',
  ].flatMap((option) => ['-o', option]);
  const apt = (...args: string[]) =>
    execute('apt-get', ['-qq', ...options, ...args], { cwd: downloads!, timeout: COMMAND_TIMEOUT_MS });
  await apt('update');
  await apt('download', ...PACKAGES);
  for (const file of await readdir(downloads!)) await execute('dpkg', ['-x', join(downloads!, file), unpacked!]);
  return unpacked!;
}

/** The address of the Debian archive in this machine's own apt configuration, whatever mirror that is. */
async function debianArchive(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME="?([\w-]+)/m.exec(release)?.[1];
  if (codename === undefined || !/^ID="?debian\b/m.test(release)) throw new Error('this machine does not run Debian');
  const format = ['--format', '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)'];
  const { stdout } = await execute('apt-get', ['indextargets', ...format]);
  const targets = stdout.split('\n').map((line) => line.split(' '));
  const found = targets.find(([kind, , suite, component]) => {
    return kind === 'Packages' && suite === codename && component === 'main';
  });
  if (found?.[1] === undefined) throw new Error(`its apt configuration has no archive for ${codename}`);
  return found[1];
}
