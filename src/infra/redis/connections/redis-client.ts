import type { Cluster, Redis } from 'ioredis';

/**
 * What commands are sent through: a connection to one server, or one to each master of a cluster, where a command goes
 * to the slot of its first key. A command without a key (`INFO`, `SCAN`, `PING` …) would reach any master of a cluster,
 * so it has to be sent to each of `RedisConnections.masters()`.
 */
export type RedisClient = Redis | Cluster;
