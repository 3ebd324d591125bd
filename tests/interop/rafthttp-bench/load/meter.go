package load

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

// cpu is the processor time of the whole process, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rssKB reads a line of /proc/self/status; 0 when it is not there.
func rssKB(field string) float64 {
	var kb float64
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, field+":") {
			fmt.Sscanf(line[len(field)+1:], "%g", &kb)
		}
	}
	return kb
}

// meter is what a stretch of this process's life took.
type meter struct {
	began   time.Time
	cpu     time.Duration
	mallocs uint64
	rss     float64
}

func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

func begin() meter {
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak of resident memory begins anew
	m := meter{mallocs: mallocs(), rss: rssKB("VmRSS")}
	m.began, m.cpu = time.Now(), cpu()
	return m
}

// end tells of n messages with so many bytes of payload; n may be 0.
func (m meter) end(n, bytes int64) figures {
	took, used := time.Since(m.began).Seconds(), float64((cpu() - m.cpu).Nanoseconds())
	out := figures{"messages": n, "rss_kb": rssKB("VmRSS"), "rss_growth_kb": rssKB("VmHWM") - m.rss,
		"threads": rssKB("Threads"), "goroutines": runtime.NumGoroutine(),
		"idle_cpu_ms_per_s": used / 1e6 / took}
	if n > 0 {
		out["msgs_per_s"] = float64(n) / took
		out["mb_per_s"] = float64(bytes) / took / 1e6
		out["cpu_ns_per_msg"] = used / float64(n)
		out["allocs_per_msg"] = float64(mallocs()-m.mallocs) / float64(n)
		delete(out, "idle_cpu_ms_per_s")
	}
	if bytes > 0 {
		out["cpu_ns_per_kb"] = used / (float64(bytes) / 1024)
	}
	return out
}

// addTimes adds the percentiles of times.
func (f figures) addTimes(times []time.Duration) {
	sort.Slice(times, func(i, k int) bool { return times[i] < times[k] })
	for key, share := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999} {
		f[key] = float64(times[int(share*float64(len(times)))].Nanoseconds()) / 1e3
	}
}
