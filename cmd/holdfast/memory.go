package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// collectAt is the part of all memory, in per cent, from which Go collects as often as it takes to stay below. Beyond it the
// kernel is near, which would end the process and every call with it.
const collectAt = 90

// room is how much memory a process has and may have, in bytes.
type room struct {
	total uint64 // of the machine, or of the tightest cgroup around us
	free  uint64 // what could still be taken, by anybody
	ours  uint64 // resident
}

// most is how much we may have as things are: a database beside us takes its part of it. What others have is no reason to send
// callers away while there is enough left.
func (r room) most() uint64 { return r.ours + r.free }

// boundMemory makes Go collect harder before the kernel kills, unless GOMEMLIMIT says how it is to be done.
func boundMemory(system fs.FS, log *slog.Logger) {
	r, err := roomIn(system)
	switch {
	case err != nil:
		log.Warn("how much memory there is cannot be found out: calls are taken as if there were enough", "error", err)
	case os.Getenv("GOMEMLIMIT") == "":
		debug.SetMemoryLimit(int64(r.total / 100 * collectAt)) //nolint:gosec // below 2^61
	}
}

// roomIn reads it from /proc and /sys below the root of system. Of cgroups, versions 1 and 2, each one around us counts: the
// kernel kills when any is full.
func roomIn(system fs.FS) (room, error) {
	info, err := fs.ReadFile(system, "proc/meminfo")
	if err != nil {
		return room{}, fmt.Errorf("read memory: %w", err)
	}
	statm, err := fs.ReadFile(system, "proc/self/statm")
	if err != nil {
		return room{}, fmt.Errorf("read memory: %w", err)
	}
	total, ok1 := field(info, "MemTotal:")
	free, ok2 := field(info, "MemAvailable:")
	pages := bytes.Fields(statm)
	if !ok1 || !ok2 || total == 0 || len(pages) < 2 {
		return room{}, errors.New("read memory: /proc does not say")
	}
	resident, err := strconv.ParseUint(string(pages[1]), 10, 40)
	if err != nil {
		return room{}, fmt.Errorf("read memory: %w", err)
	}
	r := room{total: total << 10, free: free << 10, ours: resident * uint64(os.Getpagesize())} //nolint:gosec // positive
	groups, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return r, nil //nolint:nilerr // a kernel without cgroups has no limits of theirs
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[0] == "0":
			r.within(system, "sys/fs/cgroup", parts[2], []string{"memory.max", "memory.high"}, "memory.current", "")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			r.within(system, "sys/fs/cgroup/memory", parts[2], []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_")
		}
	}
	return r, nil
}

// within takes in what the cgroups on the way from the root to a folder allow. Folders that are not there are those outside of our
// container. Pages of files are the kernel's to take back, as MemAvailable has it; whole begins the names of counts that cgroups below
// are in.
func (r *room) within(system fs.FS, root, folder string, limits []string, usage, whole string) {
	for dir := path.Clean("/" + folder); ; dir = path.Dir(dir) {
		used, known := number(system, path.Join(root, dir, usage))
		stat, _ := fs.ReadFile(system, path.Join(root, dir, "memory.stat"))
		idle, _ := field(stat, whole+"inactive_file")
		warm, _ := field(stat, whole+"active_file")
		used -= min(used, idle+warm)
		for _, limit := range limits {
			if most, limited := number(system, path.Join(root, dir, limit)); known && limited {
				r.total, r.free = min(r.total, most), min(r.free, most-min(most, used))
			}
		}
		if dir == "/" {
			return
		}
	}
}

// number reads a file with one number; false where there is none, or another word, as "max".
func number(system fs.FS, name string) (uint64, bool) {
	raw, err := fs.ReadFile(system, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 64)
	return n, err == nil
}

// field reads the number behind a name at the beginning of a line.
func field(table []byte, name string) (uint64, bool) {
	for line := range bytes.Lines(table) {
		if words := bytes.Fields(line); len(words) >= 2 && string(words[0]) == name {
			n, err := strconv.ParseUint(string(words[1]), 10, 50)
			return n, err == nil
		}
	}
	return 0, false
}

// heap is what Go has taken from the system, in bytes.
type heap struct {
	unused uint64 // free, or since the last collection perhaps not needed any more
	asked  uint64 // by everybody, since the start
}

func heapNow() heap {
	m := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(m)
	free, objects, live := m[0].Value.Uint64(), m[1].Value.Uint64(), m[2].Value.Uint64()
	return heap{unused: free + max(objects, live) - live, asked: m[3].Value.Uint64()}
}
