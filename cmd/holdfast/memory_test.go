package main

import (
	"maps"
	"os"
	"testing"
	"testing/fstest"
)

// proc is a machine of 1 GB of which we have 100 MB and 600 MB are free, and more files.
func proc(more map[string]string) fstest.MapFS {
	system := fstest.MapFS{}
	files := map[string]string{
		"proc/meminfo":    "MemTotal:        1000000 kB\nMemFree:           10000 kB\nMemAvailable:     600000 kB\n",
		"proc/self/statm": "500000 25000 7000 3000 0 90000 0\n",
	}
	maps.Copy(files, more)
	for name, text := range files {
		system[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return system
}

// The kernel kills when the machine is full, or any of the cgroups around us.
func TestMemoryEndsWhereTheTightestCgroupDoes(t *testing.T) {
	t.Parallel()
	const k, v2, v1 = 1024, "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
	for name, is := range map[string]struct {
		more        map[string]string
		total, free uint64
	}{
		"no cgroups":                {nil, 1000000 * k, 600000 * k},
		"none that limits":          {map[string]string{"proc/self/cgroup": "0::/a/b\n", v2 + "a/b/memory.max": "max\n", v2 + "a/b/memory.current": "900\n"}, 1000000 * k, 600000 * k},
		"ours":                      {map[string]string{"proc/self/cgroup": "0::/a/b\n", v2 + "a/b/memory.max": "5000\n", v2 + "a/b/memory.current": "900\n", v2 + "a/b/memory.stat": "anon 1\ninactive_file 300\nactive_file 100\n"}, 5000, 4500},
		"one that is throttled":     {map[string]string{"proc/self/cgroup": "0::/a\n", v2 + "a/memory.max": "max\n", v2 + "a/memory.high": "4000\n", v2 + "a/memory.current": "900\n"}, 4000, 3100},
		"a fuller one around ours":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", v2 + "a/b/memory.max": "5000\n", v2 + "a/b/memory.current": "900\n", v2 + "a/memory.max": "9000\n", v2 + "a/memory.current": "8500\n"}, 5000, 500},
		"beyond its limit":          {map[string]string{"proc/self/cgroup": "0::/\n", v2 + "memory.max": "5000\n", v2 + "memory.current": "6000\n"}, 5000, 0},
		"version 1, of a container": {map[string]string{"proc/self/cgroup": "5:devices:/x\n4:cpu,memory:/docker/x\n0::/\n", v1 + "memory.limit_in_bytes": "5000\n", v1 + "memory.usage_in_bytes": "900\n", v1 + "memory.stat": "inactive_file 1\ntotal_inactive_file 100\n"}, 5000, 4200},
		"version 1 without a limit": {map[string]string{"proc/self/cgroup": "4:memory:/\n", v1 + "memory.limit_in_bytes": "9223372036854771712\n", v1 + "memory.usage_in_bytes": "900\n"}, 1000000 * k, 600000 * k},
		"nonsense":                  {map[string]string{"proc/self/cgroup": "\n:\n0::/../..\n4:memory\n", v2 + "memory.max": "-5\n", v1 + "memory.limit_in_bytes": ""}, 1000000 * k, 600000 * k},
	} {
		got, err := roomIn(proc(is.more))
		if want := (room{is.total, is.free, 25000 * uint64(os.Getpagesize())}); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	for name, bad := range map[string]string{"proc/meminfo": "MemTotal: 5 kB", "proc/self/statm": "9"} {
		if got, err := roomIn(proc(map[string]string{name: bad})); err == nil {
			t.Errorf("%q in %s: %+v", bad, name, got)
		}
	}
	if got, err := roomIn(os.DirFS("/")); err != nil || got.free == 0 || got.ours == 0 || got.ours >= got.total {
		t.Errorf("this process: %+v, %v", got, err)
	}
}
