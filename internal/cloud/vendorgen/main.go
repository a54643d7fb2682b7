// Command vendorgen gathers the vendor profiles of openstacksdk
// (openstack/config/vendors/*.json and *.yaml) into one small file. Later
// folders fill in what an earlier one only links to: since 2023 openstacksdk
// fetches OVH's profile from OVH, and before that it shipped it.
//
//	go run ./vendorgen OUTPUT VENDORS-FOLDER...
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: vendorgen OUTPUT VENDORS-FOLDER...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "vendorgen:", err)
		os.Exit(1)
	}
}

func run(output string, folders []string) error {
	profiles := map[string]map[string]any{}
	for i, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.*"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			vendor, err := read(path)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if vendor.Name == "" {
				continue
			}
			known, ok := profiles[vendor.Name]
			_, link := known["profile"]
			if (i == 0 && !ok) || (link && vendor.Profile["profile"] == nil) {
				profiles[vendor.Name] = relevant(vendor.Profile)
			}
		}
	}
	if len(profiles) == 0 {
		return fmt.Errorf("no profile in %s", strings.Join(folders, ", "))
	}
	data, err := json.MarshalIndent(profiles, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(output, append(data, '\n'), 0o644)
}

type vendor struct {
	Name    string         `json:"name" yaml:"name"`
	Profile map[string]any `json:"profile" yaml:"profile"`
}

func read(path string) (vendor, error) {
	var v vendor
	data, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	switch filepath.Ext(path) {
	case ".json":
		err = json.Unmarshal(data, &v)
	case ".yaml":
		err = yaml.Unmarshal(data, &v)
	}
	return v, err
}

// relevant keeps what matters for logging in and finding the image service.
func relevant(profile map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range profile {
		key = strings.ReplaceAll(key, "-", "_")
		switch {
		case key == "auth", key == "auth_type", key == "region_name", key == "interface", key == "endpoint_type",
			key == "identity_api_version", key == "status", key == "message", key == "profile", key == "verify",
			strings.HasPrefix(key, "image_") && key != "image_format" && key != "image_api_use_tasks":
			kept[key] = value
		case key == "regions":
			kept[key] = names(value)
		}
	}
	return kept
}

// names reduces regions to their names: the values are about networks.
func names(value any) any {
	list, _ := value.([]any)
	var result []any
	for _, entry := range list {
		if full, ok := entry.(map[string]any); ok {
			entry = full["name"]
		}
		result = append(result, entry)
	}
	return result
}
