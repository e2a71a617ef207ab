// What the process itself gives away to other users of the machine, and what it leaves
// behind when it dies.
#pragma once

namespace tokeninventory {

// Call first, before any thread starts and any file is made:
// - files are the owner's alone (umask 0077);
// - no core is dumped, and nobody but root may look into the memory, the environment
//   or the open files of the process by ptrace or /proc;
// - TLS session keys are written nowhere, whatever the environment says.
// To look into it with a debugger, be root.
void KeepProcessPrivate();

}  // namespace tokeninventory
