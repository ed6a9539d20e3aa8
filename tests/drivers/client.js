// SPDX-License-Identifier: Apache-2.0
// node-postgres: simple and parameterised queries, named statements, a pool, errors.
"use strict";
const { Client, Pool } = require("pg");

async function main() {
    const client = new Client();
    await client.connect();
    await client.query("SELECT 1; SELECT 2");
    for (let i = 0; i < 50; i++)
        await client.query("INSERT INTO items VALUES ($1, $2)", [i, "x"]);
    for (let i = 0; i < 50; i++)
        await client.query({ name: "find", text: "SELECT * FROM items WHERE id = $1", values: [i] });
    await client.query("SELECT * FROM nowhere").catch(() => {});
    await client.query("SELECT * FROM nowhere WHERE id = $1", [1]).catch(() => {});
    // Queued by the driver, one after the other.
    await Promise.all([...Array(40).keys()].map((i) => client.query("UPDATE items SET name = 'y' WHERE id = $1", [i])));
    await client.end();
    const pool = new Pool({ max: 8 });
    await Promise.all([...Array(200).keys()].map((i) => pool.query("SELECT count(*) FROM items WHERE id > $1", [i])));
    const held = await pool.connect();
    await held.query("BEGIN");
    await held.query("DELETE FROM items WHERE id < 10");
    await held.query("COMMIT");
    held.release();
    await pool.end();
}

main();
