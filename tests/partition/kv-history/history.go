package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// An operation of one client on one key, as it is written to the file: a line of JSON each.
//
// What certainly had no effect is not in a history.  What may have had one, or may have it yet, has a Return of
// never: it may take effect at any time after its call, or not at all.
type operation struct {
	Client int    `json:"client"`
	Kind   string `json:"kind"` // "put", "get" or "delete"
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"` // put: written; get: read, "" when the key was absent
	Call   int64  `json:"call"`            // ns of one monotonic clock
	Return int64  `json:"return"`
}

const never = math.MaxInt64

type history struct {
	mu         sync.Mutex
	operations []operation
}

func (h *history) add(op operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, op)
}

func (h *history) write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	encoder := json.NewEncoder(out)
	for _, op := range h.operations {
		if err := encoder.Encode(op); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func readHistory(from io.Reader) ([]operation, error) {
	var all []operation
	decoder := json.NewDecoder(from)
	for {
		var op operation
		switch err := decoder.Decode(&op); {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("operation %d: %w", len(all)+1, err)
		case op.Kind != "put" && op.Kind != "get" && op.Kind != "delete":
			return nil, fmt.Errorf("operation %d: %q is no kind", len(all)+1, op.Kind)
		case op.Return < op.Call:
			return nil, fmt.Errorf("operation %d: it returns before it is called", len(all)+1)
		}
		all = append(all, op)
	}
}

// Keys are independent registers; a state is the key's value, "" when it is absent.
var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		places := map[string]int{}
		var parts [][]porcupine.Operation
		for _, op := range all {
			key := op.Input.(operation).Key
			place, known := places[key]
			if !known {
				place = len(parts)
				places[key] = place
				parts = append(parts, nil)
			}
			parts[place] = append(parts[place], op)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		op := input.(operation)
		switch op.Kind {
		case "put":
			return true, op.Value
		case "delete":
			return true, ""
		}
		return op.Value == state.(string), state
	},
}

// check says whether there is an order of the operations, each between its call and its return, in which a single
// copy of the store would have answered as this one did.
func check(all []operation, timeout time.Duration) porcupine.CheckResult {
	operations := make([]porcupine.Operation, len(all))
	for i, op := range all {
		operations[i] = porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Return: op.Return}
	}
	return porcupine.CheckOperationsTimeout(model, operations, timeout)
}

// blame names the keys whose part of the history is wrong.
func blame(all []operation, timeout time.Duration) []string {
	var keys []string
	parts := map[string][]operation{}
	for _, op := range all {
		if parts[op.Key] == nil {
			keys = append(keys, op.Key)
		}
		parts[op.Key] = append(parts[op.Key], op)
	}
	var wrong []string
	for _, key := range keys {
		if check(parts[key], timeout) == porcupine.Illegal {
			wrong = append(wrong, key)
		}
	}
	return wrong
}
