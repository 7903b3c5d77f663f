import { deepFreeze, type DeepReadonly, readVariables } from '@archive-brain/common';
import { type ConfigType, registerAs } from '@nestjs/config';
import { z } from 'zod';

type Values<V extends z.ZodRawShape> = z.output<z.ZodObject<V>>;

/** What two variables say together. */
export interface SettingsRule<Env> {
  /** The one that the problem is told of. */
  readonly variable: string;
  readonly problem: string;
  /** `true` where there is nothing wrong. */
  readonly holds: (env: Env) => boolean;
}

interface RoomSettingsOptions<Own extends z.ZodRawShape, Needed extends z.ZodRawShape, T extends object> {
  readonly room: string;
  /** The room's own environment variables, as `docs/configuration.md` has them. */
  readonly variables: Own;
  /** Variables of other rooms that this one has to know as well. */
  readonly needs?: Needed;
  readonly rules?: readonly SettingsRule<Values<Own & Needed>>[];
  readonly toSettings: (env: Values<Own & Needed>) => T;
}

/** The part of a room in all settings, whichever room it is. */
export interface RoomSettings<T extends object = object> {
  readonly room: string;
  readonly variables: z.ZodRawShape;
  readonly needs: z.ZodRawShape;
  readonly rules: readonly SettingsRule<never>[];
  /** Variables that were read → the room's settings, frozen. */
  of(env: never): T;
}

/** What is injected with the `KEY` of a room's settings. */
export type SettingsOf<T extends RoomSettings & (() => object)> = ConfigType<T>;

/**
 * The settings of a room: what it reads from the environment and what it makes of that. Called with an environment, it
 * reads the settings of this room alone; a brain reads those of all rooms at once (`Settings`). `KEY` injects them.
 */
export function roomSettings<
  const Own extends z.ZodRawShape,
  const Needed extends z.ZodRawShape = Own,
  T extends object = object,
>({ room, variables, needs = {} as Needed, rules = [], toSettings }: RoomSettingsOptions<Own, Needed, T>) {
  const of = (env: Values<Own & Needed>): DeepReadonly<T> => deepFreeze(toSettings(env));
  const part = { room, variables, needs, rules, of };
  /** @throws SettingsError with one line per wrong variable */
  const read = (environment: NodeJS.ProcessEnv = {}): DeepReadonly<T> =>
    of(readVariables(environmentSchemaOf([part]), environment) as Values<Own & Needed>);
  return Object.assign(registerAs(room, read), part);
}

/** The schema of all environment variables of these rooms, in their order, with all their rules. */
export function environmentSchemaOf(rooms: readonly RoomSettings[]): z.ZodObject {
  const own = rooms.map(({ variables }) => variables);
  const needed = rooms.map(({ needs }) => needs);
  const schema = z.object(Object.assign({}, ...own, ...needed) as z.ZodRawShape);
  return rooms
    .flatMap(({ rules }) => rules)
    .reduce(
      (all, { variable, problem, holds }) => all.refine(holds as () => boolean, { path: [variable], error: problem }),
      schema,
    );
}
