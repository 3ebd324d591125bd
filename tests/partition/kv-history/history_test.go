package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

func put(value string, call, ret int64) operation {
	return operation{Client: 1, Kind: "put", Key: "k", Value: value, Call: call, Return: ret}
}

func get(value string, call, ret int64) operation {
	return operation{Client: 2, Kind: "get", Key: "k", Value: value, Call: call, Return: ret}
}

func remove(call, ret int64) operation {
	return operation{Client: 3, Kind: "delete", Key: "k", Call: call, Return: ret}
}

func TestVerdicts(t *testing.T) {
	other := operation{Client: 4, Kind: "put", Key: "other", Value: "b", Call: 1, Return: 2}
	for name, c := range map[string]struct {
		history []operation
		want    porcupine.CheckResult
	}{
		"an empty history":                            {nil, porcupine.Ok},
		"one after another":                           {[]operation{put("a", 1, 2), get("a", 3, 4), remove(5, 6), get("", 7, 8)}, porcupine.Ok},
		"a stale read":                                {[]operation{put("a", 1, 2), put("b", 3, 4), get("a", 5, 6)}, porcupine.Illegal},
		"a read of either during a write":             {[]operation{put("a", 1, 2), put("b", 3, 8), get("a", 4, 5), get("b", 6, 7)}, porcupine.Ok},
		"a read that goes back":                       {[]operation{put("a", 1, 2), put("b", 3, 8), get("b", 4, 5), get("a", 6, 7)}, porcupine.Illegal},
		"an acknowledged write that is lost":          {[]operation{put("a", 1, 2), get("", 3, 4)}, porcupine.Illegal},
		"an acknowledged delete that is lost":         {[]operation{put("a", 1, 2), remove(3, 4), get("a", 5, 6)}, porcupine.Illegal},
		"an unacknowledged write that is lost":        {[]operation{put("a", 1, never), get("", 3, 4)}, porcupine.Ok},
		"an unacknowledged write that comes late":     {[]operation{put("a", 1, never), get("", 3, 4), get("a", 5, 6)}, porcupine.Ok},
		"an unacknowledged write that comes and goes": {[]operation{put("a", 1, never), get("a", 3, 4), get("", 5, 6)}, porcupine.Illegal},
		"a value that nobody wrote":                   {[]operation{get("a", 1, 2)}, porcupine.Illegal},
		"a value before its write":                    {[]operation{get("a", 1, 2), put("a", 3, 4)}, porcupine.Illegal},
		"another key's value":                         {[]operation{other, get("b", 3, 4)}, porcupine.Illegal},
		"two leaders that both acknowledge":           {[]operation{put("a", 1, 2), put("b", 3, 4), get("b", 5, 6), get("a", 7, 8)}, porcupine.Illegal},
	} {
		if got := check(c.history, 10*time.Second); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBlameNamesTheKey(t *testing.T) {
	other := operation{Client: 4, Kind: "put", Key: "other", Value: "b", Call: 1, Return: 2}
	if got := blame([]operation{other, put("a", 1, 2), get("", 3, 4)}, time.Second); len(got) != 1 || got[0] != "k" {
		t.Errorf("blamed %v", got)
	}
}

func TestAFileKeepsTheHistory(t *testing.T) {
	h := history{operations: []operation{put("a", 1, never), get("", 3, 4), remove(5, 6)}}
	path := filepath.Join(t.TempDir(), "history")
	if err := h.write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readHistory(bytes.NewReader(text))
	if err != nil || len(all) != 3 || all[0] != h.operations[0] || all[2] != h.operations[2] {
		t.Errorf("%v %v", all, err)
	}
}

func TestABadFileIsRefused(t *testing.T) {
	for _, text := range []string{"{", `{"kind":"cas","key":"k","call":1,"return":2}`, `{"kind":"get","key":"k","call":2,"return":1}`} {
		if _, err := readHistory(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestAnswersAreJudged(t *testing.T) {
	for _, c := range []struct {
		status   int
		location string
		text     string
		kind     string
		want     outcome
		leader   string
		value    string
	}{
		{200, "", "v", "get", done, "", "v"},
		{404, "", `{"error":"no such key","outcome":"none"}`, "get", done, "", ""},
		{404, "", `{"error":"no such path","outcome":"none"}`, "put", none, "", "w"},
		{200, "", `{"existed":true}`, "put", done, "", "w"},
		{307, "http://10.0.0.1:80/kv/k", `{"outcome":"none"}`, "put", none, "http://10.0.0.1:80", "w"},
		{503, "", `{"error":"x","outcome":"none"}`, "put", none, "", "w"},
		{503, "", `{"error":"x","outcome":"unknown"}`, "put", unknown, "", "w"},
		{500, "", "no JSON", "put", unknown, "", "w"},
	} {
		op := operation{Kind: c.kind, Value: "w"}
		got, leader := judge(c.status, c.location, []byte(c.text), &op)
		if got != c.want || leader != c.leader || op.Value != c.value {
			t.Errorf("%d %s: %v %q %q", c.status, c.text, got, leader, op.Value)
		}
	}
}
