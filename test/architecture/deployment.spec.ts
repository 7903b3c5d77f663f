import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import {
  environmentSchema as localVorpalSchema,
  readSettings as readLocalVorpalSettings,
} from '../../packages/local-vorpal/src/settings.js';
import { lifecycleSettings } from '../../src/infra/lifecycle/lifecycle.settings.js';
import { redisSettings } from '../../src/infra/redis/redis.settings.js';
import { environmentSchema as brainSchema, readSettings } from '../../src/settings.js';
import { vorpalSettings } from '../../src/vorpal/vorpal.settings.js';
import { RELEASES } from '../vllm/release/releases.js';
import { type ComposeService, resolveCompose, servicesStartedBy, variablesOf } from './compose-file.js';
import { compose, composeText, guides, read, root, stages } from './deployment-files.js';
import { buildContext, dockerignore, type ImageConfig, imageConfig } from './dockerfile.js';

const GPU_COMMAND = 'docker compose up -d redis vorpal brain';
const CPU_COMMAND = 'docker compose --profile cpu up';

const services = Object.entries(compose.services);
/** Services that run this project's own program, with the image that they run. */
const ownServices = services.flatMap(([name, service]) =>
  service.build === undefined ? [] : [{ name, service, image: imageConfig(stages, service.build.target) }],
);

/** The environment of a service's container. */
const environmentOf = (service: ComposeService, image: ImageConfig) => ({
  ...image.environment,
  ...service.environment,
});

/** The settings of the server that the program of a service reads in its container. */
function serverOf(service: ComposeService, image: ImageConfig) {
  const environment = environmentOf(service, image);
  if (service.build?.target === 'local-vorpal') return readLocalVorpalSettings(environment).server;
  return readSettings(environment).of(lifecycleSettings);
}

describe('docker-compose.yml', () => {
  it('follows the Compose Specification', () => {
    const schemaFile = join(
      dirname(createRequire(import.meta.url).resolve('dclint/package.json')),
      'schemas/compose.schema.json',
    );
    const { $schema, ...schema } = JSON.parse(readFileSync(schemaFile, 'utf8')) as Record<string, unknown>;
    expect($schema).toContain('draft-07');
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    const validate = ajv.compile(schema);

    const valid = validate(parse(composeText));

    expect(validate.errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(validate({ services: { brain: { imagine: 'a typing error' } } })).toBe(false);
  });

  it('pins the version of every image that it does not build', () => {
    const images = services.filter(([, { build }]) => build === undefined).map(([, { image = '' }]) => image);

    expect(images).toHaveLength(2);
    for (const image of images) expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
  });

  it('runs a vLLM that the contract suite runs on, the one that the local Vorpal follows', () => {
    expect(compose.services.vorpal?.image).toBe(`vllm/vllm-openai:v${RELEASES[0]?.version}`);
  });

  it('uses no variable that the documentation does not explain', () => {
    const explained = read('docs/operations.md');
    const names = variablesOf(composeText).map(({ name }) => name);

    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(explained).toContain(`| \`${name}\``);
  });

  it('gives its own programs only settings that exist, with values that they accept', () => {
    for (const { service, image } of ownServices) {
      const { shape } = service.build?.target === 'local-vorpal' ? localVorpalSchema : brainSchema;
      expect(Object.keys(shape)).toEqual(expect.arrayContaining(Object.keys(environmentOf(service, image))));
      expect(() => serverOf(service, image)).not.toThrow();
    }
  });

  it('passes on values given by the person who starts it', () => {
    const { services: given } = resolveCompose(composeText, { VORPAL_API_KEY: 'secret', VORPAL_MODEL: 'some/model' });

    expect(given.brain?.environment).toMatchObject({ VORPAL_API_KEY: 'secret' });
    expect(given.vorpal?.environment).toMatchObject({ VLLM_API_KEY: 'secret' });
    expect(given['local-vorpal']?.environment).toMatchObject({ VORPAL_API_KEY: 'secret' });
    expect(given.vorpal?.command).toContain('some/model');
  });

  it('publishes the brain, and nothing else, on the loopback address and the default port', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    const { port } = lifecycleSettings({});

    expect(published).toEqual([`brain 127.0.0.1:${port}:${port}`]);
  });

  it('lets each of its programs listen where the others look for it', () => {
    const { service, image } = ownServices.find(({ name }) => name === 'brain')!;
    const local = ownServices.find(({ name }) => name === 'local-vorpal')!;
    const brain = readSettings(environmentOf(service, image));
    const localVorpal = serverOf(local.service, local.image);
    const vorpal = new URL(brain.of(vorpalSettings).url ?? '');

    expect(brain.of(lifecycleSettings)).toMatchObject({ host: '0.0.0.0', port: image.exposedPorts[0] });
    expect(localVorpal).toMatchObject({ host: '0.0.0.0', port: local.image.exposedPorts[0] });
    expect(brain.of(redisSettings).server?.authority).toBe('redis:6379');
    expect(vorpal.port).toBe(String(localVorpal.port));
    expect(Object.keys(compose.services)).toContain(vorpal.hostname);
    expect(local.service.networks?.default?.aliases).toContain(vorpal.hostname);
    const embeddings = ownServices.find(({ name }) => name === 'embeddings')!;
    expect(brain.of(vorpalSettings).embeddingsUrl).toBe(
      `http://embeddings:${serverOf(embeddings.service, embeddings.image).port}`,
    );
    expect(serverOf(embeddings.service, embeddings.image)).toMatchObject({ host: '0.0.0.0', serves: 'embeddings' });
  });

  it('keeps what must outlive a container in volumes that are declared', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')));
    const targetOf = (service: string) => compose.services[service]?.volumes?.map((volume) => volume.split(':')[1]);

    expect(mounts.map(([source]) => source).sort()).toEqual(Object.keys(compose.volumes).sort());
    const { BRAIN_CACHE_DIR } = imageConfig(stages, 'local-vorpal').environment;
    expect(targetOf('brain')).toEqual([imageConfig(stages, 'brain').environment.BRAIN_DATA_DIR]);
    expect(targetOf('local-vorpal')).toEqual([BRAIN_CACHE_DIR]);
    expect(targetOf('embeddings')).toEqual([BRAIN_CACHE_DIR]);
  });

  it('runs a Redis that loses nothing to a crash and evicts nothing when it is full', () => {
    const command = compose.services.redis?.command?.join(' ');

    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
  });

  it('waits only for services that exist and say when they are healthy', () => {
    const dependencies = services.flatMap(([, { depends_on = {} }]) => Object.entries(depends_on));

    expect(dependencies.map(([name]) => name).sort()).toEqual(['embeddings', 'local-vorpal', 'redis', 'vorpal']);
    for (const [name, { condition }] of dependencies) {
      // A brain without embeddings answers all the same.
      expect(condition).toBe(name === 'embeddings' ? 'service_started' : 'service_healthy');
      expect(compose.services[name]?.healthcheck?.test.length).toBeGreaterThan(1);
    }
  });

  it('gives its programs longer to stop than they take', () => {
    for (const { service, image } of ownServices) {
      const graceMs = Number(/^(\d+)s$/.exec(service.stop_grace_period ?? '')?.[1]) * 1_000;

      expect(graceMs).toBeGreaterThan(serverOf(service, image).shutdownGraceMs + 1_000);
    }
  });
});

describe('The documented command lines', () => {
  it('start all on a machine with a GPU', () => {
    expect([...servicesStartedBy(GPU_COMMAND, compose)].sort()).toEqual(['brain', 'embeddings', 'redis', 'vorpal']);
  });

  it('start all on a machine without one, where the GPU service must not start', () => {
    expect([...servicesStartedBy(CPU_COMMAND, compose)].sort()).toEqual([
      'brain',
      'embeddings',
      'local-vorpal',
      'redis',
    ]);
  });

  it('are understood wherever a guide shows one', () => {
    const shown = [composeText, ...guides.map(read)].flatMap(
      (text) => text.match(/docker compose [^\n#`]*\bup\b[^\n#`]*/g) ?? [],
    );

    expect(shown.length).toBeGreaterThanOrEqual(4);
    for (const line of shown) {
      expect(servicesStartedBy(line.trim().replaceAll(/ --(?!profile)\S+/g, ''), compose).size).toBeGreaterThan(1);
    }
  });

  it('would be refused by Compose if the brain required both Vorpals', () => {
    const strict = resolveCompose(composeText.replaceAll('required: false', 'required: true'));

    expect(() => servicesStartedBy(CPU_COMMAND, strict)).toThrow('depends on undefined service "vorpal"');
    expect(() => servicesStartedBy(GPU_COMMAND, strict)).toThrow('depends on undefined service');
  });
});

describe('Dockerfile', () => {
  it('builds the one image that needs no other unless told otherwise', () => {
    expect(stages.at(-1)?.name).toBe('all-in-one');
  });

  it('is based on the Node that the project is developed with', () => {
    const bases = new Set(stages.map(({ base }) => base).filter((base) => stages.every(({ name }) => name !== base)));

    expect([...bases]).toEqual([`node:${read('.node-version').trim()}-slim`]);
  });

  it.each(['brain', 'local-vorpal', 'all-in-one'])(
    'runs %s as a user that is not root, as the first process',
    (name) => {
      const image = imageConfig(stages, name);

      expect(image.user).toBe('node');
      expect(image.entrypoint[0]).toBe('node');
      expect(image.healthcheck[0]).toBe('node');
    },
  );

  it.each([
    ['brain', 'start'],
    ['local-vorpal', 'vorpal'],
    ['all-in-one', 'start'],
  ])('runs %s as npm run %s does', (name, script) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

    expect(`exec ${imageConfig(stages, name).entrypoint.join(' ')}`).toBe(scripts[script]);
  });

  it('sends no file to the build that it does not need', async () => {
    const context = await buildContext(root);
    const ignored = dockerignore(read('.dockerignore'));

    expect(context).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src/main.ts']));
    for (const path of [
      '.env',
      '.git/config',
      'node_modules/zod/package.json',
      'src/settings.spec.ts',
      'packages/common/dist/index.js',
      'bench/bench.ts',
      'data/x.sqlite',
    ]) {
      expect([path, ignored(path)]).toEqual([path, true]);
    }
  });
});

describe('The probe stanzas for Kubernetes', () => {
  const stanzas = guides.flatMap((path) =>
    [...read(path).matchAll(/```yaml\n([\s\S]*?)```/g)]
      .map(([, yaml = '']) => yaml)
      .filter((yaml) => yaml.includes('livenessProbe'))
      .map((yaml) => [path, probesOf(parse(yaml))] as const),
  );

  it('are in the operations guide', () => {
    expect(stanzas.map(([path]) => path)).toContain('docs/operations.md');
  });

  it('ask the path made for each probe, on the port that the program listens on', () => {
    const { port } = lifecycleSettings({});
    for (const [, probes] of stanzas) {
      expect(probes).toMatchObject({
        startupProbe: { httpGet: { path: '/health/startup', port } },
        livenessProbe: { httpGet: { path: '/health/live', port } },
        readinessProbe: { httpGet: { path: '/health/ready', port } },
      });
    }
  });
});

/** The first object with a `livenessProbe`, wherever in a manifest it stands. */
function probesOf(node: unknown): Record<string, unknown> | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  if ('livenessProbe' in node) return node;
  return Object.values(node)
    .map(probesOf)
    .find((found) => found !== undefined);
}
