# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_account.test \
	check_answer_body.test \
	check_answer_head.test \
	check_channel.test \
	check_chunk_writer.test \
	check_chunks.test \
	check_config.test \
	check_counts.test \
	check_curl_contract.test \
	check_decoder.test \
	check_delivery.test \
	check_disk.test \
	check_duplex.test \
	check_encoder.test \
	check_errands.test \
	check_etcd_duties.test \
	check_etcd_options.test \
	check_etcd_raft.test \
	check_etcd_state.test \
	check_etcd_storage.test \
	check_exposition.test \
	check_fault_proxy.test \
	check_flags.test \
	check_gate.test \
	check_frame.test \
	check_grid_frame.test \
	check_grid_vectors.test \
	check_headers.test \
	check_histogram.test \
	check_http_client.test \
	check_http_loop.test \
	check_http_crowd.test \
	check_http_server.test \
	check_http_smuggling.test \
	check_http_stream.test \
	check_http_upgrade.test \
	check_http_upload.test \
	check_mhd_contract.test \
	check_inbox.test \
	check_intake.test \
	check_latency.test \
	check_link.test \
	check_lock_args.test \
	check_message.test \
	check_msgpack.test \
	check_node.test \
	check_outgoing.test \
	check_pace.test \
	check_peer.test \
	check_peer_status.test \
	check_pipeline.test \
	check_probe_answer.test \
	check_prober.test \
	check_progress.test \
	check_refusal.test \
	check_routes.test \
	check_sim.test \
	check_simulation.test \
	check_snapshot.test \
	check_shelf.test \
	check_spin.test \
	check_stream_reader.test \
	check_stream_writer.test \
	check_thread.test \
	check_text.test \
	check_timers.test \
	check_url.test \
	check_url_picker.test \
	check_vectors.test \
	check_workers.test \
	check_websocket.test
check_PROGRAMS += $(UNIT_TESTS)

check_account_test_SOURCES = tests/unit/check_account.c
check_channel_test_SOURCES = tests/unit/check_channel.c
check_config_test_SOURCES = tests/unit/check_config.c
check_counts_test_SOURCES = tests/unit/check_counts.c
check_curl_contract_test_SOURCES = tests/unit/check_curl_contract.c
check_decoder_test_SOURCES = tests/unit/check_decoder.c
check_delivery_test_SOURCES = tests/unit/check_delivery.c
check_disk_test_SOURCES = tests/unit/check_disk.c
check_duplex_test_SOURCES = tests/unit/check_duplex.c
check_encoder_test_SOURCES = tests/unit/check_encoder.c
check_errands_test_SOURCES = tests/unit/check_errands.c
check_etcd_duties_test_SOURCES = tests/unit/check_etcd_duties.c
check_etcd_duties_test_CPPFLAGS = $(AM_CPPFLAGS) $(ETCD_MEMBER_CPPFLAGS)
check_etcd_duties_test_LDADD = libetcd-member.la $(LDADD)
check_etcd_options_test_SOURCES = tests/unit/check_etcd_options.c
check_etcd_options_test_CPPFLAGS = $(AM_CPPFLAGS) $(ETCD_MEMBER_CPPFLAGS)
check_etcd_options_test_LDADD = libetcd-member.la $(LDADD)
check_etcd_raft_test_SOURCES = tests/unit/check_etcd_raft.c
check_etcd_raft_test_CPPFLAGS = $(AM_CPPFLAGS) $(ETCD_MEMBER_CPPFLAGS)
check_etcd_raft_test_LDADD = libetcd-member.la $(LDADD)
check_etcd_state_test_SOURCES = tests/unit/check_etcd_state.c
check_etcd_state_test_CPPFLAGS = $(AM_CPPFLAGS) $(ETCD_MEMBER_CPPFLAGS)
check_etcd_state_test_LDADD = libetcd-member.la $(LDADD)
check_etcd_storage_test_SOURCES = tests/unit/check_etcd_storage.c
check_etcd_storage_test_CPPFLAGS = $(AM_CPPFLAGS) $(ETCD_MEMBER_CPPFLAGS)
check_etcd_storage_test_LDADD = libetcd-member.la $(LDADD)
check_exposition_test_SOURCES = tests/unit/check_exposition.c
check_fault_proxy_test_SOURCES = tests/unit/check_fault_proxy.c
check_gate_test_SOURCES = tests/unit/check_gate.c
check_flags_test_SOURCES = tests/unit/check_flags.c src/tools/flags.c
check_answer_body_test_SOURCES = tests/unit/check_answer_body.c
check_answer_head_test_SOURCES = tests/unit/check_answer_head.c
check_chunk_writer_test_SOURCES = tests/unit/check_chunk_writer.c
check_chunks_test_SOURCES = tests/unit/check_chunks.c
check_frame_test_SOURCES = tests/unit/check_frame.c
check_grid_frame_test_SOURCES = tests/unit/check_grid_frame.c
check_grid_vectors_test_SOURCES = tests/unit/check_grid_vectors.c
check_headers_test_SOURCES = tests/unit/check_headers.c
check_histogram_test_SOURCES = tests/unit/check_histogram.c
check_http_client_test_SOURCES = tests/unit/check_http_client.c
check_http_loop_test_SOURCES = tests/unit/check_http_loop.c
check_http_crowd_test_SOURCES = tests/unit/check_http_crowd.c
check_http_server_test_SOURCES = tests/unit/check_http_server.c
check_http_smuggling_test_SOURCES = tests/unit/check_http_smuggling.c
check_http_stream_test_SOURCES = tests/unit/check_http_stream.c
check_http_upgrade_test_SOURCES = tests/unit/check_http_upgrade.c
check_http_upload_test_SOURCES = tests/unit/check_http_upload.c
check_mhd_contract_test_SOURCES = tests/unit/check_mhd_contract.c
check_inbox_test_SOURCES = tests/unit/check_inbox.c
check_intake_test_SOURCES = tests/unit/check_intake.c
check_latency_test_SOURCES = tests/unit/check_latency.c src/tools/latency.c
check_link_test_SOURCES = tests/unit/check_link.c
check_lock_args_test_SOURCES = tests/unit/check_lock_args.c
check_message_test_SOURCES = tests/unit/check_message.c
check_msgpack_test_SOURCES = tests/unit/check_msgpack.c
check_node_test_SOURCES = tests/unit/check_node.c
check_outgoing_test_SOURCES = tests/unit/check_outgoing.c
check_pace_test_SOURCES = tests/unit/check_pace.c
check_peer_test_SOURCES = tests/unit/check_peer.c
check_peer_status_test_SOURCES = tests/unit/check_peer_status.c
check_pipeline_test_SOURCES = tests/unit/check_pipeline.c
check_probe_answer_test_SOURCES = tests/unit/check_probe_answer.c
check_prober_test_SOURCES = tests/unit/check_prober.c
check_progress_test_SOURCES = tests/unit/check_progress.c src/tools/progress.c
check_refusal_test_SOURCES = tests/unit/check_refusal.c
check_routes_test_SOURCES = tests/unit/check_routes.c
check_sim_test_SOURCES = tests/unit/check_sim.c
check_simulation_test_SOURCES = tests/unit/check_simulation.c
check_snapshot_test_SOURCES = tests/unit/check_snapshot.c
check_stream_reader_test_SOURCES = tests/unit/check_stream_reader.c
check_stream_writer_test_SOURCES = tests/unit/check_stream_writer.c
check_thread_test_SOURCES = tests/unit/check_thread.c
check_shelf_test_SOURCES = tests/unit/check_shelf.c
check_spin_test_SOURCES = tests/unit/check_spin.c
check_text_test_SOURCES = tests/unit/check_text.c
check_timers_test_SOURCES = tests/unit/check_timers.c
check_url_test_SOURCES = tests/unit/check_url.c
check_url_picker_test_SOURCES = tests/unit/check_url_picker.c
check_workers_test_SOURCES = tests/unit/check_workers.c
check_vectors_test_SOURCES = tests/unit/check_vectors.c
check_websocket_test_SOURCES = tests/unit/check_websocket.c

# The adapter for libraft, with its archive and libraft's own heap, and what ferry-kv puts on it.
if WITH_LIBRAFT
LIBRAFT_TESTS = \
	check_kv_data_dir.test \
	check_kv_store.test \
	check_libraft.test \
	check_libraft_uv.test \
	check_raft_change.test \
	check_raft_context.test \
	check_term_runs.test \
	check_raft_message.test \
	check_raft_safety.test
check_PROGRAMS += $(LIBRAFT_TESTS)

LIBRAFT_CPPFLAGS = $(AM_CPPFLAGS) $(RAFT_CFLAGS)
LIBRAFT_LDADD = libferry-libraft-core.la $(LDADD) $(RAFT_LIBS)
LIBRAFT_VERSIONS = tests/harness/raft_versions.c tests/harness/raft_versions.h
LIBRAFT_HARNESS = tests/harness/raft_heap.c tests/harness/raft_heap.h

check_kv_data_dir_test_SOURCES = tests/unit/check_kv_data_dir.c src/kv/data_dir.c
check_kv_store_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_kv_store_test_LDADD = $(LIBRAFT_LDADD)
check_kv_store_test_SOURCES = tests/unit/check_kv_store.c src/kv/command.c src/kv/store.c $(LIBRAFT_HARNESS)
check_libraft_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_libraft_test_LDADD = $(LIBRAFT_LDADD)
check_libraft_test_SOURCES = tests/unit/check_libraft.c $(LIBRAFT_HARNESS)
check_libraft_uv_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_libraft_uv_test_LDADD = $(LIBRAFT_LDADD)
check_libraft_uv_test_SOURCES = tests/unit/check_libraft_uv.c $(LIBRAFT_VERSIONS)
check_raft_context_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_raft_context_test_LDADD = $(LIBRAFT_LDADD)
check_raft_context_test_SOURCES = tests/unit/check_raft_context.c $(LIBRAFT_HARNESS)
check_raft_change_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_raft_change_test_LDADD = $(LIBRAFT_LDADD)
check_raft_change_test_SOURCES = tests/unit/check_raft_change.c
check_term_runs_test_LDADD = $(LIBRAFT_LDADD)
check_term_runs_test_SOURCES = tests/unit/check_term_runs.c
check_raft_message_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_raft_message_test_LDADD = $(LIBRAFT_LDADD)
check_raft_message_test_SOURCES = tests/unit/check_raft_message.c $(LIBRAFT_HARNESS)
check_raft_safety_test_CPPFLAGS = $(LIBRAFT_CPPFLAGS)
check_raft_safety_test_LDADD = $(LIBRAFT_LDADD)
check_raft_safety_test_SOURCES = tests/unit/check_raft_safety.c tests/harness/raft_safety.c tests/harness/raft_safety.h \
	tests/harness/raft_store.c tests/harness/raft_store.h $(LIBRAFT_VERSIONS)
endif

# libferry-mailbox, with its archive.
if WITH_MAILBOX
MAILBOX_TESTS = \
	check_cbor.test \
	check_compress.test \
	check_gob.test \
	check_lookup.test \
	check_mail_frame.test \
	check_outbox.test \
	check_receiver.test \
	check_sqlite_store.test \
	check_steward.test \
	check_steward_vectors.test
check_PROGRAMS += $(MAILBOX_TESTS)

MAILBOX_CPPFLAGS = $(AM_CPPFLAGS) $(MAILBOX_CFLAGS)
MAILBOX_LDADD = libferry-mailbox-core.la $(LDADD) $(MAILBOX_LIBS)
MAILBOX_HARNESS = tests/harness/mail_rig.c tests/harness/mail_rig.h tests/harness/mail_store.c \
	tests/harness/mail_store.h

check_cbor_test_LDADD = $(MAILBOX_LDADD)
check_cbor_test_SOURCES = tests/unit/check_cbor.c
check_compress_test_LDADD = $(MAILBOX_LDADD)
check_compress_test_SOURCES = tests/unit/check_compress.c
check_gob_test_LDADD = $(MAILBOX_LDADD)
check_gob_test_SOURCES = tests/unit/check_gob.c
check_lookup_test_LDADD = $(MAILBOX_LDADD)
check_lookup_test_SOURCES = tests/unit/check_lookup.c
check_mail_frame_test_LDADD = $(MAILBOX_LDADD)
check_mail_frame_test_SOURCES = tests/unit/check_mail_frame.c
check_outbox_test_LDADD = $(MAILBOX_LDADD)
check_outbox_test_SOURCES = tests/unit/check_outbox.c $(MAILBOX_HARNESS)
check_receiver_test_LDADD = $(MAILBOX_LDADD)
check_receiver_test_SOURCES = tests/unit/check_receiver.c $(MAILBOX_HARNESS)
check_sqlite_store_test_CPPFLAGS = $(MAILBOX_CPPFLAGS)
check_sqlite_store_test_LDADD = $(MAILBOX_LDADD)
check_sqlite_store_test_SOURCES = tests/unit/check_sqlite_store.c tests/harness/crash_vfs.c tests/harness/crash_vfs.h \
	tests/harness/mail_store.c tests/harness/mail_store.h
check_steward_test_LDADD = $(MAILBOX_LDADD)
check_steward_test_SOURCES = tests/unit/check_steward.c
check_steward_vectors_test_LDADD = $(MAILBOX_LDADD)
check_steward_vectors_test_SOURCES = tests/unit/check_steward_vectors.c
endif
endif
