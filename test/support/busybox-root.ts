import { execFile } from "node:child_process";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Answers HTTP on PORT with files of /www: `GREETING` in index.html, and its identity. */
const serve = `#!/bin/sh
mkdir -p /www/cgi-bin
echo "\${GREETING:-hello}" > /www/index.html
echo "serving on $PORT"
trap 'echo bye; exit 0' TERM
httpd -f -p "$PORT" -h /www &
wait
`;

/** A root with busybox under all its names, and /bin/serve. */
export async function busyboxRoot(root: string): Promise<void> {
  for (const name of ["bin", "etc", "tmp"]) await mkdir(join(root, name), { recursive: true });
  await cp("/bin/busybox", join(root, "bin/busybox"), { dereference: true });
  const { stdout } = await run("/bin/busybox", ["--list"]);
  for (const name of stdout.split("\n")) {
    if (name !== "" && name !== "busybox") await symlink("busybox", join(root, "bin", name)).catch(() => {});
  }
  await writeFile(join(root, "bin/serve"), serve, { mode: 0o755 });
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\napp:x:1000:\n");
}
