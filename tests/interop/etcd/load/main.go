// load puts values into an etcd cluster, each client on a connection of its own and with one put under way, and prints
// how long that took, as JSON.  A put that fails ends it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	endpoints := flag.String("endpoints", "", "client URLs, separated by commas")
	clients := flag.Int("clients", 64, "clients")
	count := flag.Int("count", 100000, "puts in all")
	size := flag.Int("size", 1024, "bytes of a value")
	flag.Parse()
	log.SetFlags(0)

	connections := make([]*clientv3.Client, *clients)
	for i := range connections {
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   strings.Split(*endpoints, ","),
			DialTimeout: 10 * time.Second,
		})
		if err != nil {
			log.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Get(context.Background(), "k"); err != nil { // it is connected
			log.Fatal(err)
		}
		connections[i] = client
	}

	value := strings.Repeat("v", *size)
	took := make([]time.Duration, *count)
	var next atomic.Int64
	var group sync.WaitGroup
	begin := time.Now()
	for _, client := range connections {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(*count); i = next.Add(1) - 1 {
				began := time.Now()
				if _, err := client.Put(context.Background(), fmt.Sprintf("k%08d", i), value); err != nil {
					log.Fatal(err)
				}
				took[i] = time.Since(began)
			}
		})
	}
	group.Wait()
	seconds := time.Since(begin).Seconds()

	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	err := json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"puts_per_s": float64(*count) / seconds,
		"p50_ms":     took[*count/2].Seconds() * 1000,
		"p99_ms":     took[*count*99/100].Seconds() * 1000,
	})
	if err != nil {
		log.Fatal(err)
	}
}
