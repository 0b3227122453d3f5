"""The known weaknesses of HTTP clients, by class, and the test that each of them has here.

Under each class: a test, and the published weaknesses of other clients and of the libraries below them that it tries,
by the number after ``CVE-``. A test without numbers stands for a class that nobody has given a number. What is not tried
is in `NOT_OURS`, with the reason. The lists come from public advisories up to September 2026.
"""

from __future__ import annotations

__all__ = ["NOT_OURS", "WEAKNESSES"]

WEAKNESSES: dict[str, dict[str, str]] = {
    "Secrets that travel too far": {
        "test_cve_2018_20060_authorization_is_not_sent_to_another_origin": "2018-20060 2018-25091 2026-44431",
        "test_cve_2022_27774_credentials_of_every_kind_stay_with_host_and_port": (
            "2018-1000007 2022-27774 2022-27776 2025-14524"
        ),
        "test_cve_2018_18074_authorization_does_not_go_on_in_clear": "2018-18074",
        "test_cve_2023_43804_cookie_is_not_sent_to_another_origin": (
            "2022-31151 2023-43804 2023-45143 2026-34518 2026-47265 2026-6276"
        ),
        "test_cve_2024_37891_proxy_authorization_is_not_sent_to_another_origin": (
            "2024-24758 2024-30260 2024-37891 2025-4673"
        ),
        "test_cve_2023_32681_proxy_credentials_do_not_enter_the_tunnel": "2023-32681",
        "test_cve_2024_45336_what_was_left_behind_does_not_come_back": "2024-45336",
        "test_cve_2023_45289_a_subdomain_is_another_origin": "2023-45289",
        "test_cve_2024_47081_netrc_is_looked_up_for_the_host_that_is_asked": (
            "2024-11053 2024-47081 2025-0167 2026-3783 2026-6429 2026-8926"
        ),
        "test_cve_2023_45803_content_and_its_fields_do_not_survive_a_change_to_get": "2022-32221 2023-28322 2023-45803",
        "test_cve_2021_22876_no_referer_is_invented": "2021-22876 2026-9546",
        "test_cve_2020_8169_a_password_is_no_part_of_a_name_that_is_looked_up": "2020-8169",
        "test_secrets_are_shown_in_no_error_log_or_repr": "",
        "test_cve_2026_7168_digest_answers_stay_with_their_origin": "2026-11856 2026-54274 2026-7168 2026-8927",
        "test_cve_2026_3784_credentials_of_a_proxy_go_to_it_alone": "2026-3784 2026-6253 2026-9079",
        "test_cve_2022_22576_a_tunnel_made_with_credentials_serves_nobody_without": (
            "2022-22576 2026-1965 2026-5545 2026-8458"
        ),
    },
    "Cookies that go where they do not belong": {
        "test_cve_2022_27779_no_cookie_for_a_public_suffix_in_any_spelling": "2022-27779 2023-46218 2026-8924",
        "test_cve_2018_20852_no_cookie_for_a_look_alike": "2018-20852",
        "test_cve_2022_35252_a_cookie_with_controls_is_neither_kept_nor_sent": "2022-35252 2026-0672 2026-3644",
        "test_cve_2026_9679_a_cookie_is_not_percent_decoded_into_a_field": "2026-11525 2026-16729 2026-9678 2026-9679",
        "test_cve_2022_32205_cookies_have_a_cap": "2022-32205 2025-58186",
        "test_cve_2025_9086_a_secure_cookie_is_not_replaced_in_clear": "2025-9086",
        "test_cve_2026_34993_a_saved_jar_holds_no_code": "2026-34993",
        "test_cve_2026_54279_a_host_only_cookie_stays_one_when_it_is_saved": "2026-54279",
        "test_cve_2025_69230_bad_cookies_do_not_fill_the_log": "2025-69230",
    },
    "Bytes that become another request": {
        "test_cve_2019_9740_a_url_cannot_carry_a_line": "2019-11236 2019-9740 2019-9947",
        "test_cve_2019_9741_a_character_does_not_lose_the_bits_that_made_it_harmless": "2019-9741",
        "test_cve_2020_26116_a_method_cannot_carry_a_line": "2020-26116 2020-26137 2023-49081 2023-49082",
        "test_cve_2025_57804_a_field_cannot_carry_a_line": (
            "2022-31150 2022-35948 2023-23936 2023-29406 2025-57804 2026-15157 2026-1527"
        ),
        "test_cve_2026_1502_the_target_of_connect_cannot_carry_a_line": "2019-18348 2026-1502",
        "test_cve_2026_34514_a_part_of_a_form_cannot_carry_a_line": "2026-34514",
        "test_cve_2025_22150_boundaries_cannot_be_foretold": "2025-22150",
        "test_cve_2026_1525_the_framing_of_a_request_is_said_once": "2026-1525",
        "test_cve_2023_24329_a_url_with_two_readings_has_one_host_or_none": (
            "2019-10160 2019-14809 2019-9636 2022-27780 2023-24329 2024-11168 2025-0938 2025-47912 2026-25679 2026-39821"
        ),
        "test_blanks_and_backslashes_do_not_hide_a_host_from_a_filter": "",
        "test_cve_2021_41945_copy_with_cannot_move_the_authority": "2021-41945",
        "test_cve_2021_41945_nor_can_user_path_and_query": "2021-41945",
        "test_cve_2022_35949_a_path_with_two_slashes_stays_with_the_base_url": "2022-35949",
    },
    "Bytes that become another response": {
        "test_cve_2024_23829_ambiguous_framing_is_refused": (
            "2019-16276 2022-1705 2023-37276 2023-47627 2023-47641 2024-23829 2025-69225"
        ),
        "test_cve_2025_43859_chunks_end_as_the_standard_says": "2024-52304 2025-22871 2025-43859 2025-53643 2025-69224",
        "test_cve_2018_1000005_trailers_are_neither_content_nor_fields": "2018-1000005",
        "test_cve_2026_6733_bytes_on_an_idle_connection_answer_nothing": "2026-48931 2026-6733",
        "test_bytes_after_a_response_never_become_the_next_one": "2026-16728 2026-6734",
        "test_frames_after_a_response_never_become_the_next_one": "",
        "test_truncated_content_is_never_passed_off_as_whole": "",
        "test_truncated_content_is_never_passed_off_as_whole_over_http2": "",
        "test_cve_2021_22946_bytes_before_the_handshake_are_refused": "2021-22946 2021-22947",
        "test_cve_2025_58189_an_error_shows_little_of_what_the_server_said": "2025-58189 2026-42507 2026-69244",
        "test_cve_2024_24791_a_refusal_of_expected_content_leaves_no_connection_out_of_step": "2024-24791",
        "test_cve_2026_69243_a_switch_that_nobody_asked_for_is_refused": "2026-69243",
        "test_cve_2026_34520_controls_in_a_field_are_refused": "2026-34520",
    },
    "Endless or explosive input": {
        "test_cve_2021_3737_endless_interim_responses_are_cut_off": "2021-3737",
        "test_cve_2023_38039_endless_fields_are_cut_off": "2023-38039",
        "test_cve_2023_39326_chunk_extensions_are_cut_off": "2023-39326",
        "test_cve_2026_22815_trailers_are_cut_off": "2026-22815",
        "test_cve_2022_32206_a_bomb_does_not_go_off": "2022-32206 2025-0725 2025-69223",
        "test_a_bomb_is_stopped_without_any_setting_by_its_ratio": "",
        "test_cve_2025_66418_a_chain_of_codings_has_an_end": "2023-23916 2025-66418 2026-22036",
        "test_cve_2025_66471_a_stream_inflates_no_more_than_is_read": "2025-66471 2026-54276",
        "test_cve_2026_21441_a_bomb_in_a_redirect_is_not_inflated": "2026-21441",
        "test_cve_2026_44432_a_bomb_that_is_given_up_is_not_inflated": "2026-44432",
        "test_cve_2025_13836_no_memory_is_taken_for_what_is_only_announced": "2025-13836",
        "test_cve_2021_33503_a_url_takes_linear_time": "2020-7212 2021-33503 2025-61726 2026-56860",
        "test_cve_2024_3651_an_international_name_takes_linear_time": "2022-45061 2024-3651",
        "test_cve_2023_24807_a_field_takes_linear_time": "2023-24807 2025-61724",
        "test_cve_2024_7592_a_cookie_takes_linear_time": "2024-7592",
        "test_cve_2020_8492_a_challenge_takes_linear_time": "2020-8492 2021-3733",
        "test_cve_2025_69229_very_many_chunks_take_linear_time": "2025-69229",
        "test_cve_2026_34513_the_dns_cache_has_an_end": "2026-34513",
        "test_cve_2024_24750_content_that_nobody_reads_does_not_pile_up": "2024-24750",
    },
    "HTTP/2": {
        "test_cve_2019_9511_a_peer_that_reads_nothing_costs_neither_time_nor_memory": "2019-9511 2019-9517",
        "test_cve_2019_9512_a_ping_flood_ends": "2019-9512",
        "test_cve_2019_9513_a_priority_flood_ends": "2019-9513 2026-10536",
        "test_cve_2019_9514_a_reset_flood_ends": "2019-9514",
        "test_cve_2019_9515_a_settings_flood_ends": "2019-9515",
        "test_cve_2019_9516_fields_without_names_are_refused": "2019-9516",
        "test_cve_2019_9518_a_flood_of_empty_frames_ends": "2019-9518",
        "test_cve_2023_45288_a_continuation_flood_ends": "2023-45288",
        "test_cve_2016_6581_an_hpack_bomb_does_not_go_off": "2016-6581 2022-41717",
        "test_cve_2022_41723_hpack_takes_linear_time": "2022-41723",
        "test_cve_2021_31525_a_list_of_fields_has_a_limit": "2021-31525 2023-24534",
        "test_cve_2023_44487_a_server_that_gives_up_every_stream_is_not_asked_for_ever": (
            "2023-39325 2023-44487 2025-8671"
        ),
        "test_cve_2026_33814_a_frame_size_that_cannot_be_ends_the_connection": "2026-33814",
        "test_cve_2022_27664_a_goaway_does_not_hang_whoever_closes": "2022-27664",
        "test_cve_2024_2398_a_push_is_refused": "2024-2398",
        "test_fewer_streams_than_are_open_are_no_dead_end": "",
        "test_a_window_that_opens_reaches_the_stream_it_is_for": "",
        "test_a_negative_window_is_waited_out": "",
        "test_a_stream_that_nobody_reads_does_not_starve_the_others": "",
    },
    "TLS": {
        "test_cve_2024_35195_no_trust_is_inherited_through_a_connection_that_is_kept": "2024-35195",
        "test_cve_2021_22924_a_connection_is_kept_for_its_own_settings": (
            "2021-22890 2021-22924 2022-27782 2026-4873 2026-54275 2026-8932"
        ),
        "test_cve_2025_68121_no_session_is_resumed_under_other_authorities": (
            "2021-22901 2025-14819 2025-68121 2026-11564"
        ),
        "test_cve_2021_28363_the_certificate_of_a_proxy_is_checked": "2021-28363",
        "test_cve_2022_32210_the_certificate_of_the_origin_is_checked_inside_a_tunnel": "2022-32210 2026-9697",
        "test_cve_2019_11324_authorities_that_are_given_are_the_only_ones": "2019-11324",
        "test_stale_authorities_are_not_trusted_by_default": "",
        "test_cve_2025_47279_failed_handshakes_hold_no_memory": "2025-47279",
        "test_cve_2023_28321_a_certificate_is_for_the_names_it_says": "2023-28321 2024-2466",
    },
    "Where a client may be sent": {
        "test_cve_2025_50181_redirects_that_are_switched_off_are_not_followed": "2025-50181 2025-50182",
        "test_cve_2024_2004_a_redirect_leads_to_no_other_protocol": "2024-2004",
        "test_server_side_request_forgery_by_name_or_address_is_refused": "",
        "test_server_side_request_forgery_by_redirect_is_refused": "",
        "test_cve_2026_54280_a_number_is_an_address_and_not_a_name": "2026-54280",
        "test_dns_rebinding_between_check_and_connect_gains_nothing": "",
        "test_cve_2023_38545_a_name_longer_than_its_field_is_never_sent_to_a_socks_proxy": "2023-38545",
        "test_cve_2020_8177_a_server_does_not_choose_where_a_download_goes": "2020-8177 2025-11563",
        "test_cve_2022_27778_a_download_that_fails_leaves_what_was_there": "2022-27778",
        "test_cve_2025_22870_no_proxy_is_not_fooled": "2025-22870",
        "test_cve_2022_27775_zones_are_not_one_host": "2022-27775",
        "test_cve_2022_42915_a_proxy_that_refuses_the_tunnel_speaks_for_itself_alone": "2022-42915 2022-43552",
    },
    "What is lost or leaked without an attacker": {
        "test_no_place_in_the_pool_is_lost_by_cancelling_anywhere": "",
        "test_a_waiter_that_is_cancelled_when_it_was_served_passes_its_place_on": "",
        "test_no_timer_of_a_past_request_strikes_an_idle_connection": "",
        "test_a_stale_connection_is_no_error": "",
        "test_a_post_that_may_have_been_done_is_not_done_again": "",
        "test_no_response_goes_to_another_request": "",
        "test_nothing_is_left_of_requests_that_nobody_waits_for": "",
        "test_two_loops_one_after_the_other_share_a_client": "",
        "test_an_interpreter_that_ends_with_an_open_client_is_quiet": "",
        "test_an_error_has_a_message_names_its_phase_and_can_be_pickled": "",
    },
}

#: What cannot be tried here, and why.
NOT_OURS: dict[str, str] = {
    "weaknesses of servers": (
        "2021-21330 2024-23334 2024-27306 2024-30251 2024-42367 2024-52303 2025-69226 2025-69227 2025-69228 2026-34515"
        " 2026-34516 2026-34517 2026-34519 2026-34525 2026-54273 2026-54278"
    ),
    "known by number only": "2026-54277 2026-59881 2026-84378 2026-84379 2026-84380 2026-84381 2026-84382",
    "HSTS, which the client does not keep": (
        "2022-30115 2022-42916 2022-43551 2023-23914 2023-23915 2023-46219 2024-9681"
    ),
    "OCSP, which the client does not ask for": "2020-8286 2024-0853 2024-8096 2026-7009",
    "reading certificates and TLS records, which is OpenSSL's work": (
        "2021-34558 2022-27781 2022-41724 2023-29409 2024-24783 2025-58188 2025-61729 2026-27145 2026-32283 2026-56862"
    ),
    "WebSocket and QUIC: the first is tested in plugins/hyperhttp-ws, the second is not spoken": (
        "2025-10148 2025-13034 2025-4947 2025-5025 2025-5399 2026-11352 2026-11586 2026-12151 2026-1526 2026-1528"
        " 2026-2229 2026-9545"
    ),
    "caches, checks of integrity and merging of requests: the first is tested in plugins/hyperhttp-cache": (
        "2024-30261 2024-38372 2026-13697 2026-14643 2026-2581"
    ),
    "memory and descriptors handled by hand in C": "2025-0665",
    "a function that there is not: authorities are not taken out of archives": "2026-25645",
}
