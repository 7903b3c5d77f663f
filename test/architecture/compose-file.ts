import { parse } from 'yaml';

/** The parts of a service that the deployment tests look at. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly aliases?: readonly string[] }>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export interface ComposeVariable {
  readonly name: string;
  readonly fallback: string;
}

const VARIABLE = /\$\{([A-Z_]+):-([^}]*)\}/g;

/** Every `${NAME:-fallback}` of the text. Any other use of `$` is refused, so that none is overlooked. */
export function variablesOf(text: string): ComposeVariable[] {
  if (text.replaceAll(VARIABLE, '').includes('$'))
    throw new Error('The compose file uses $ other than as ${NAME:-fallback}');
  return [...text.matchAll(VARIABLE)].map(([, name = '', fallback = '']) => ({ name, fallback }));
}

/** The file as Compose sees it with these variables set: values are filled in after the YAML is read. */
export function resolveCompose(text: string, variables: Readonly<Record<string, string>> = {}): ComposeFile {
  const fillIn = (_: string, name: string, fallback: string): string => {
    const given = variables[name];
    return given === undefined || given === '' ? fallback : given;
  };
  return parse(text, (_, value: unknown) =>
    typeof value === 'string' ? value.replaceAll(VARIABLE, fillIn) : value,
  ) as ComposeFile;
}

/**
 * The services that `docker compose [--profile P] up [TARGET...]` starts, by the rules that
 * docs/decisions/0005-compose-profiles.md lists with their sources.
 * @throws Error in Compose's words where Compose refuses
 */
export function servicesStartedBy(commandLine: string, { services }: ComposeFile): Set<string> {
  const { profiles, targets } = parseUp(commandLine);
  const isEnabled = (name: string, active: readonly string[]): boolean => {
    const own = serviceNamed(name).profiles ?? [];
    return own.length === 0 || own.some((profile) => active.includes(profile));
  };
  const serviceNamed = (name: string): ComposeService => {
    const service = services[name];
    if (service === undefined) throw new Error(`no such service: ${name}`);
    return service;
  };
  const enabledBy = (active: readonly string[]): Set<string> => {
    const enabled = new Set(Object.keys(services).filter((name) => isEnabled(name, active)));
    for (const name of enabled) {
      for (const [dependency, { required = true }] of Object.entries(serviceNamed(name).depends_on ?? {})) {
        if (required && !enabled.has(dependency)) {
          throw new Error(`service "${name}" depends on undefined service "${dependency}"`);
        }
      }
    }
    return enabled;
  };

  // The file is checked with the profiles of the command line first, before those of the named services count.
  enabledBy(profiles);
  const enabled = enabledBy([...profiles, ...targets.flatMap((name) => serviceNamed(name).profiles ?? [])]);
  const started = new Set<string>();
  const start = (name: string): void => {
    if (!enabled.has(name) || started.has(name)) return;
    started.add(name);
    Object.keys(serviceNamed(name).depends_on ?? {}).forEach(start);
  };
  (targets.length === 0 ? [...enabled] : targets).forEach(start);
  return started;
}

function parseUp(commandLine: string): { profiles: string[]; targets: string[] } {
  const match = /^docker compose((?: --profile [\w-]+)*) up((?: --?[a-z]+)*)((?: [a-z][\w-]*)*)$/.exec(commandLine);
  if (match === null) throw new Error(`Not understood: ${commandLine}`);
  const words = (text = ''): string[] => text.split(' ').filter((word) => word !== '' && word !== '--profile');
  return { profiles: words(match[1]), targets: words(match[3]) };
}
